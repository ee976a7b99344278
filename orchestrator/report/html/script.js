"use strict";
const data = JSON.parse(document.getElementById("details").textContent);
const filters = document.getElementById("filters");
const dialog = document.getElementById("opened");
const grid = document.getElementById("grid");
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const text = (number) => data.texts[number];

// An element; children are elements or text, never markup: all of it comes from guests.
function make(tag, about = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

// --- filters
const words = data.exercises.map((one) =>
  [one.name, one.title, one.explain, ...one.rows.flatMap((row) => [row[0], ...row[3].map(text)])].join("\n").toLowerCase());

function fits(one, line, wanted) {
  const cells = one.cells.filter((cell, place) => cell && wanted.machines.has(place));
  return (!wanted.topic || one.topic === wanted.topic) && words[line].includes(wanted.text) &&
    cells.some((cell) => wanted.statuses.has(cell.status)) &&
    (!wanted.differs || one.rows.some((row) => ranks(row, wanted.machines) > 1));
}

function ranks(row, machines) {
  return new Set(row[4].filter((rank, place) => rank !== null && machines.has(place))).size;
}

function filter() {
  const form = new FormData(filters);
  const wanted = {
    text: form.get("text").trim().toLowerCase(), topic: form.get("topic"), differs: form.has("differs"),
    statuses: new Set(form.getAll("status")), machines: new Set(form.getAll("machine").map(Number)),
  };
  const shown = data.exercises.map((one, line) => fits(one, line, wanted));
  for (const part of all("[data-line]")) part.hidden = !shown[part.dataset.line];
  for (const row of grid.rows) {
    for (const cell of row.cells) cell.hidden = cell.cellIndex > 0 && !wanted.machines.has(cell.cellIndex - 1);
  }
  for (const row of all("[data-machine]")) row.hidden = !wanted.machines.has(Number(row.dataset.machine));
  for (const name of all("[data-m]")) name.toggleAttribute("hidden", !wanted.machines.has(Number(name.dataset.m)));  // SVG has no property
  for (const group of all(".row li")) group.hidden = !group.querySelector("[data-m]:not([hidden])");
  for (const row of all(".row")) row.hidden = all("li:not([hidden])", row).length < 2;
  for (const one of all("#differences article")) one.hidden ||= !one.querySelector(".row:not([hidden])");
  for (const cause of all(".cause")) cause.hidden = !cause.querySelector("article:not([hidden])");
  filters.elements.shown.value = `${shown.filter(Boolean).length} of ${shown.length} exercises`;
  filters.elements.chosen.value = `${wanted.machines.size} of ${data.machines.length}`;
  cues();
  stop(at(grid.querySelector("[tabindex='0']")) ?? grid.querySelector("tbody tr:not([hidden]) button"));
}
const at = (button) => (button?.offsetParent ? button : null);

// --- the matrix by keyboard: one stop for Tab, arrows inside
function stop(button) {
  for (const other of all("tbody button", grid)) other.tabIndex = -1;
  if (button) button.tabIndex = 0;
  return button;
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -99], End: [0, 99] };

function move(event) {
  const step = STEPS[event.key];
  const cell = event.target.closest("td, tbody th");
  if (!step || !cell || event.altKey || event.metaKey) return;
  event.preventDefault();
  const rows = all("tbody tr:not([hidden])", grid);
  let row = rows.indexOf(cell.parentElement), column = cell.cellIndex;
  if (Math.abs(step[1]) > 1) column = step[1] < 0 ? -1 : rows[row].cells.length;
  const [down, right] = Math.abs(step[1]) > 1 ? [0, -Math.sign(step[1])] : step;
  for (;;) {
    row += down;
    column += right;
    const next = rows[row]?.cells[column];
    if (!next) return;
    const button = at(next.querySelector("button"));
    if (button) return stop(button).focus();
  }
}

// --- the dialog of a cell or an exercise
function observed(one, cell) {
  const expected = new Map(), labels = new Map(one.rows.map((row) => [row[1], row[0]]));
  for (const number of cell.checks) {
    const [that, wanted, why] = one.checks[number];
    expected.set(that, [...(expected.get(that) ?? []), why ? `${wanted} — ${why}` : wanted]);
  }
  const seen = new Map(cell.seen.map(([key, value]) => [text(key), text(value)]));
  const missed = new Set(cell.missed);
  const rows = [...new Set([...seen.keys(), ...expected.keys()])].map((key) => make("tr", missed.has(key) ? { class: "missed" } : {},
    make("th", { scope: "row" }, missed.has(key) ? make("span", { class: "mark fail" }, "✗ fail") : null, missed.has(key) ? " " : null, labels.get(key) ?? key, labels.has(key) ? make("small", {}, key) : null),
    make("td", { class: "value" }, seen.get(key) ?? (missed.has(key) ? "(nothing)" : "")),
    make("td", {}, ...(expected.get(key) ?? []).map((line) => make("div", {}, line)))));
  if (cell.more) rows.push(make("tr", {}, make("td", { colspan: 3 }, `and ${cell.more} more`)));
  const heads = ["observation", "observed", "expected"].map((word) => make("th", { scope: "col" }, word));
  return rows.length ? make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows))) : null;
}

function compared(one) {
  const heads = ["observation", "likely cause", ...data.machines.map(([name]) => name)].map((word) => make("th", { scope: "col" }, word));
  const rows = one.rows.map(([label, , cause, values, ranks]) => make("tr", {},
    make("th", { scope: "row" }, label), make("td", {}, cause),
    ...values.map((value, place) => make("td", { class: ranks[place] ? "value other" : "value" }, text(value)))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "All machines" },
    make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
}

function block(title, body) {
  return body ? [make("h4", {}, title), typeof body === "string" ? printed(title, body) : body] : [];
}

// It may scroll, so the keyboard can reach it, and it has a name.
function printed(name, body) {
  return make("pre", { tabindex: 0, role: "region", "aria-label": name }, body);
}

function neighbour(line, place, step) {
  const cells = data.exercises[line].cells;
  let next = place + step;
  while (cells[next] === null) next += step;
  const there = next >= 0 && next < cells.length;
  const name = there ? data.machines[next][0] : "";
  const button = make("button", { type: "button", "aria-label": step < 0 ? `Previous machine ${name}` : `Next machine ${name}`, "data-step": step },
    step < 0 ? `← ${name}` : `${name} →`);
  button.disabled = !there;
  button.addEventListener("click", () => open(line, next));
  return button;
}

function open(line, place) {
  const one = data.exercises[line], cell = one.cells[place], alone = place === undefined;
  const close = make("button", { type: "button", class: "close" }, "Close ✕");
  close.addEventListener("click", () => dialog.close());
  const head = alone ? [] : [make("p", {}, make("span", { class: `mark ${cell.status}` }, cell.status), " on ",
    make("b", {}, data.machines[place][0]), ` (${data.machines[place][1]}): ${text(cell.how)}`)];
  const reason = alone ? "" : text(cell.reason);
  dialog.replaceChildren(
    make("nav", { "aria-label": "Machines" }, ...(alone ? [] : [neighbour(line, place, -1), neighbour(line, place, 1)]), close),
    make("h3", { id: "opened-title" }, one.title ? `${one.name} — ${one.title}` : one.name), ...head,
    ...(reason ? [make("p", { class: "why" }, reason)] : []),
    ...(one.explain ? block("Explanation", make("p", { class: "explain" }, one.explain)) : []),
    ...(alone ? block("All machines", one.rows.length ? compared(one) : null) : block("Observed and expected", observed(one, cell))),
    ...(alone ? [] : [...block("Standard output", text(cell.out)), ...block("Standard error", text(cell.err))]),
    ...(one.sources.length ? block("Source", make("div", {}, ...one.sources.map(([name, number]) =>
      make("details", {}, make("summary", {}, name), printed(name, text(number)))))) : []));
  dialog.className = alone ? "wide" : "";
  dialog.dataset.at = alone ? `${line}` : `${line} ${place}`;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function back() {
  const button = at(grid.querySelector(`[data-at="${dialog.dataset.at}"]`));
  if (dialog.dataset.at.includes(" ") && button) stop(button).focus();
}

const menu = filters.querySelector(".menu");
menu.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
});

document.addEventListener("click", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
  const button = event.target.closest("[data-at]:not(dialog)");
  if (button) open(...button.dataset.at.split(" ").map(Number));
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("close", back);
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const button = step && !event.target.closest("pre, .scroll[tabindex]") && dialog.querySelector(`[data-step="${step}"]`);
  if (button) { button.click(); dialog.querySelector(`[data-step="${step}"]:enabled, .close`).focus(); }
});
grid.addEventListener("keydown", move);
grid.addEventListener("focusin", (event) => { if (event.target.closest("tbody button")) stop(event.target); });
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(filter));

// --- a cue where a table goes on to the right
function cue(box) {
  const last = box.getBoundingClientRect().right;
  const heads = all("thead th", box).filter((head) => !head.hidden && head.getBoundingClientRect().left > last - 20);
  const more = heads.length > 0;
  box.classList.toggle("more", more);
  let words = box.previousElementSibling;
  if (!words?.classList.contains("cue")) {
    if (!more) return;
    words = make("p", { class: "cue" });
    box.before(words);
  }
  words.classList.toggle("seen", !more);  // it keeps its place: the table must not jump
  if (more) words.textContent = `${heads.length} more ${heads.length === 1 ? "column" : "columns"} to the right: scroll →`;
}
const boxes = all("main .scroll");
const cues = () => { for (const box of boxes) cue(box); };
for (const box of boxes) box.addEventListener("scroll", () => cue(box));
for (const part of all("details")) part.addEventListener("toggle", cues);
addEventListener("resize", cues);

// Print with everything expanded.
let opened = [];
addEventListener("beforeprint", () => { opened = all("details:not([open])"); for (const one of opened) one.open = true; });
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });

filters.hidden = false;
filter();
