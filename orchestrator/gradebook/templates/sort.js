"use strict";
// Tables are sorted by the buttons in their heads: numbers as numbers, what is no number last.
const order = new Intl.Collator("en", { numeric: true });

function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
}

function compare(numeric, up) {
  return (one, other) => {
    if (!numeric) return up * order.compare(one, other);
    const [a, b] = [one, other].map((text) => (text === "" ? NaN : Number(text)));
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return up * (a - b);
  };
}

function sort(head) {
  const up = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up === 1 ? "ascending" : "descending");
  const body = head.closest("table").tBodies[0], by = compare(head.classList.contains("number"), up);
  body.append(...[...body.rows].sort((one, other) => by(value(one, head.cellIndex), value(other, head.cellIndex))));
}

for (const head of document.querySelectorAll("table.sortable thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sort(head));
  head.append(button);
}
