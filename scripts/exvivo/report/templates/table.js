// The ranked table: sort by a column, find a drug, hits only. The cards follow the filter.
(() => {
  const table = $("#ranked");
  if (!table) return;
  const body = $("tbody", table);
  const rows = $$("tr", body);
  const nameOf = (row) => $(".drug-name", row).textContent.toLowerCase();
  const groupOf = (row) => ($(".group", row) || { textContent: "" }).textContent.toLowerCase();
  const texts = { name: nameOf, group: groupOf };

  const compare = (key, direction) => (a, b) => {
    if (texts[key]) return direction * texts[key](a).localeCompare(texts[key](b));
    const [x, y] = [a, b].map((row) => (key in row.dataset ? Number(row.dataset[key]) : null));
    if (x === null || y === null) return (x === null) - (y === null); // unknown last, either way
    return direction * (x - y) || a.dataset.order - b.dataset.order;
  };
  for (const header of $$("th[data-sort]", table)) {
    const button = document.createElement("span"); // a real button is not printed in a repeated head
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
    });
    button.addEventListener("click", () => {
      const falling = ["score", "auc", "effect", "fit"].includes(header.dataset.sort) || header.dataset.sort.startsWith("rep");
      const now = header.getAttribute("aria-sort");
      const next = now ? (now === "ascending" ? "descending" : "ascending") : falling ? "descending" : "ascending";
      for (const other of $$("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", next);
      rows.sort(compare(header.dataset.sort, next === "ascending" ? 1 : -1));
      body.append(...rows);
    });
  }

  const find = $("#find"), onlyHits = $("#only-hits"), found = $("#found");
  const cards = new Map($$(".card").map((card) => [card.dataset.drug, card]));
  const filter = () => {
    const wanted = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = (!onlyHits.checked || row.classList.contains("is-hit"))
        && (!wanted || nameOf(row).includes(wanted) || groupOf(row).includes(wanted));
      row.hidden = !fits;
      const card = cards.get(row.dataset.drug);
      if (card) card.hidden = !fits;
      shown += fits;
    }
    found.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} drugs, here and among the curves`;
  };
  find.addEventListener("input", filter);
  onlyHits.addEventListener("change", filter);
  // A link to a drug that the filter hides shows it again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest ? event.target.closest('a[href^="#drug-"]') : null;
    const card = link && cards.get(link.getAttribute("href").slice(1));
    if (card && card.hidden) { find.value = ""; onlyHits.checked = false; filter(); }
  });
})();
