// Wells: point at one to read it, choose one to see it, move over a plate with the arrow keys.
(() => {
  const data = JSON.parse($("#data").textContent);
  const tip = $("#tip"), voice = $("#voice"), dialog = $("#well");
  const title = (key) => { const at = key.lastIndexOf("/"); return `${key.slice(at + 1)} · plate ${key.slice(0, at)}`; };

  const facts = (key) => {
    const well = data.wells[key];
    if (!well) return [["Content", "empty"]];
    const [role, , content, dose, replicate, remark, values] = well;
    const pairs = [["Role", role]];
    if (content) pairs.push(["Content", content]);
    if (dose !== "–") pairs.push(["Dose", dose]);
    if (replicate && role === "drug") pairs.push(["Replicate", String(replicate)]);
    data.readouts.forEach((name, i) => {
      if (values[i]) pairs.push([name, `${values[i][0]} (viability ${values[i][1]})`]);
    });
    if (remark) pairs.push(["Remark", remark]);
    return pairs;
  };
  const sentence = (key) => `${title(key)}: ${facts(key).map(([name, value]) => `${name} ${value}`).join(", ")}`;

  const element = (name, text) => { const made = document.createElement(name); made.textContent = text; return made; };
  const showTip = (key, x, y) => {
    tip.replaceChildren(element("b", title(key)), ...facts(key).map(([name, value]) => element("span", `${name}: ${value.length > 120 ? value.slice(0, 119) + "…" : value}`)));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, window.innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 18 + box.height > window.innerHeight ? Math.max(4, y - box.height - 12) : y + 18}px`;
  };
  const wellOf = (event) => (event.target.closest ? event.target.closest("[data-w]") : null);
  document.addEventListener("mousemove", (event) => {
    const at = wellOf(event);
    if (at && at.closest(".plate-map, .curve-panel")) showTip(at.dataset.w, event.clientX, event.clientY);
    else tip.hidden = true;
  });

  // Pointing at a well also marks its drug everywhere, and the drug's wells.
  let marked = [];
  document.addEventListener("mouseover", (event) => {
    for (const old of marked) old.classList.remove("on");
    marked = [];
    const at = wellOf(event);
    const drug = at && at.closest(".plate-map") && data.wells[at.dataset.w] && data.wells[at.dataset.w][1];
    if (!drug) return;
    const same = Object.keys(data.wells).filter((key) => data.wells[key][1] === drug);
    marked = same.flatMap((key) => $$(`.plate-map [data-w="${CSS.escape(key)}"]`));
    for (const well of marked) well.classList.add("on");
  });

  // Each image is in the page once: as an element, or else in the data.
  const imageOf = (key) => {
    if (data.images[key]) return data.images[key];
    const shown = $(`img[data-w="${CSS.escape(key)}"], image[data-w="${CSS.escape(key)}"]`);
    return shown ? shown.getAttribute("src") || shown.getAttribute("href") : "";
  };
  let chosen = null;
  const open = (key) => {
    chosen = key;
    const uri = imageOf(key), image = $("#well-image");
    $("#well-title").textContent = title(key);
    image.hidden = !uri;
    if (uri) image.src = uri; else image.removeAttribute("src");
    image.alt = uri ? `Maximum projection of well ${title(key)}` : "";
    $("#well-caption").textContent = uri ? "Maximum projection" : `No image: ${data.noImage}.`;
    $("#well-facts").replaceChildren(...facts(key).map(([name, value]) => {
      const line = document.createElement("div");
      line.append(element("dt", name), element("dd", value));
      return line;
    }));
    if (!dialog.open) dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const at = wellOf(event);
    if (at) { tip.hidden = true; open(at.dataset.w); }
    else if (event.target === dialog) dialog.close();
  });

  // Keyboard: a plate map or a row of images is one stop; arrows move, Enter opens.
  const place = (key) => {
    const name = key.slice(key.lastIndexOf("/") + 1).match(/^([A-Z]+)(\d+)$/);
    return [[...name[1]].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0), Number(name[2])];
  };
  const letters = (row) => (row > 26 ? String.fromCharCode(64 + Math.floor((row - 1) / 26)) : "") + String.fromCharCode(65 + (row - 1) % 26);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const neighbour = (key, step, exists) => {
    const plate = key.slice(0, key.lastIndexOf("/") + 1);
    let [row, column] = place(key);
    for (let tries = 0; tries < 48; tries += 1) {
      row += step[0]; column += step[1];
      if (row < 1 || column < 1 || row > 32 || column > 48) return key;
      const next = `${plate}${letters(row)}${String(column).padStart(2, "0")}`;
      if (exists(next)) return next;
    }
    return key;
  };
  for (const map of $$(".plate-map")) {
    const cells = new Map($$("[data-w]", map).map((cell) => [cell.dataset.w, cell]));
    if (!cells.size) continue;
    let at = null;
    map.setAttribute("tabindex", "0");
    const go = (key) => {
      if (at) cells.get(at).classList.remove("at");
      at = key;
      cells.get(at).classList.add("at");
      const box = cells.get(at).getBoundingClientRect();
      showTip(at, box.right, box.bottom);
      voice.textContent = sentence(at);
    };
    map.addEventListener("keydown", (event) => {
      if (steps[event.key]) { event.preventDefault(); go(at ? neighbour(at, steps[event.key], (key) => cells.has(key)) : cells.keys().next().value); }
      else if ((event.key === "Enter" || event.key === " ") && at) { event.preventDefault(); open(at); }
    });
    map.addEventListener("blur", () => { if (at) cells.get(at).classList.remove("at"); tip.hidden = true; });
  }
  dialog.addEventListener("keydown", (event) => {
    if (!steps[event.key] || !chosen) return;
    event.preventDefault();
    open(neighbour(chosen, steps[event.key], (key) => key in data.wells));
    voice.textContent = sentence(chosen);
  });
  for (const image of $$("image[data-w]")) {
    image.setAttribute("tabindex", "0");
    image.setAttribute("role", "button");
    image.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(image.dataset.w); } });
  }
})();
