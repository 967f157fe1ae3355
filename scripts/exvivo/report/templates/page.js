"use strict";
document.documentElement.classList.add("scripted");
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// Hover or focus on one figure of a drug marks all its figures.
(() => {
  const mark = (key, on) => {
    for (const element of $$(`[data-drug="${CSS.escape(key)}"]`)) element.classList.toggle("on", on);
  };
  let current = null;
  const follow = (event) => {
    const element = event.target.closest ? event.target.closest("[data-drug]") : null;
    const key = element ? element.dataset.drug : null;
    if (key === current) return;
    if (current) mark(current, false);
    if (key) mark(key, true);
    current = key;
  };
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, follow);
})();

// The list of sections shows where the reader is.
(() => {
  const links = new Map($$(".side ol a").map((link) => [link.getAttribute("href").slice(1), link]));
  const visible = new Map();
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) visible.set(entry.target.id, entry.isIntersecting);
    const first = [...links.keys()].find((id) => visible.get(id));
    for (const [id, link] of links) {
      if (id === first) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-15% 0px -60% 0px" });
  for (const id of links.keys()) watch.observe(document.getElementById(id));
})();

// Images in grey; printing shows everything that can be folded.
(() => {
  const grey = $("#grey");
  if (grey) grey.addEventListener("click", () => {
    const on = document.documentElement.classList.toggle("grey");
    grey.setAttribute("aria-pressed", String(on));
  });
  $("#print").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", () => {
    for (const details of $$("details:not([open])")) { details.open = true; details.dataset.folded = ""; }
  });
  window.addEventListener("afterprint", () => {
    for (const details of $$("details[data-folded]")) { details.open = false; delete details.dataset.folded; }
  });
})();
