// The map of drugs: what lies under the pointer. The table of screens: only those on hold.
(() => {
  const figure = $(".drug-map svg"), tip = $("#tip");
  if (!figure) return;
  const data = JSON.parse($("#data").textContent);
  const rows = data.screens.length, columns = data.drugs.length;
  figure.addEventListener("mousemove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(figure.getScreenCTM().inverse());
    const column = Math.floor((at.x - data.left) / data.cell), row = Math.floor((at.y - data.top) / data.cell);
    if (column < 0 || column >= columns || row < 0 || row >= rows) { tip.hidden = true; return; }
    const held = !data.scores[row].length;
    const score = held ? "on hold" : data.scores[row][column] ?? "not tested or no score";
    const name = document.createElement("b"), told = document.createElement("span");
    name.textContent = data.drugs[column].slice(0, 80);
    told.textContent = `${data.screens[row]}: ${score}`;
    tip.replaceChildren(name, told);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, window.innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + box.height > window.innerHeight ? event.clientY - box.height - 12 : event.clientY + 18}px`;
  });
  figure.addEventListener("mouseleave", () => { tip.hidden = true; });
})();
(() => {
  const box = $("#only-held");
  if (!box) return;
  box.addEventListener("change", () => {
    for (const row of $$("#screens-list tr")) row.hidden = box.checked && !row.classList.contains("is-held");
  });
})();
