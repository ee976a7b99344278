"use strict";
/* The lecturer's board: rows as they change, and what is done to all. */

const by = (id) => document.getElementById(id);
const body = document.querySelector("#board tbody");
const rows = new Map([...body.rows].map((row) => [row.dataset.seat, row]));
const STILL = 15 * 60;

const mark = (text, kind) => made("span", { className: `mark ${kind}`, textContent: text });
const soft = (text) => made("span", { className: "soft", textContent: text });
const time = (moment) => made("time", { dateTime: moment, textContent: new Date(moment).toLocaleTimeString([], { timeStyle: "short" }) });

function fill(row, one) {
  const cells = row.cells;
  cells[1].replaceChildren(mark(one.machines, one.up ? "pass" : "fail"));
  cells[2].replaceChildren(one.present ? mark(one.present, "here") : soft("no"));
  cells[3].replaceChildren(...one.progress.flatMap((lab) => [mark(`${lab.lab} ${lab.passed}/${lab.total}`, lab.passed && lab.passed === lab.total ? "pass" : "skip"), " "]));
  cells[4].replaceChildren(...one.progress.filter((lab) => lab.handed_in).flatMap((lab) => [soft(lab.lab), " ", time(lab.handed_in), " "]));
  cells[5].replaceChildren(made("time", { dateTime: one.moved }), " ", soft(one.last));
  row.dataset.moved = one.moved;
  row.dataset.passed = one.progress.reduce((sum, lab) => sum + lab.passed, 0);
}

function tick() {
  showEnd();
  for (const row of rows.values()) {
    const place = row.cells[5].querySelector("time"), moved = row.dataset.moved;
    const passed = moved ? (Date.now() - new Date(moved)) / 1000 : 0;
    const text = !moved ? "not yet" : passed < 60 ? "now" : `${stretch(passed)} ago`;
    if (place.textContent !== text) place.textContent = text;
    place.className = moved && passed > STILL && row.cells[2].querySelector(".here") ? "still" : "";
  }
}

function order() {
  const how = by("order").value, number = (row) => Number(row.dataset.passed || 0), place = (row) => Number(row.dataset.place);
  const sorted = [...rows.values()].sort((one, other) =>
    (how === "moved" ? one.dataset.moved.localeCompare(other.dataset.moved) : how === "passed" ? number(one) - number(other) : 0) || place(one) - place(other));
  body.append(...sorted);
}
by("order").onchange = order;
by("find").oninput = () => {
  const words = by("find").value.toLowerCase();
  for (const row of rows.values()) row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
};

async function doing(form, work) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const { said, failed = [] } = await work();
    say(by("said"), [said, ...failed].join(". "));
  } catch (problem) { say(by("said"), problem.message); }
  button.disabled = false;
}
function onSubmit(id, work) {
  const form = by(id);
  if (form) form.onsubmit = (event) => { event.preventDefault(); doing(form, work); };
}
onSubmit("message-form", async () => {
  const done = await ask("POST", "/lecturer/message", { text: by("message").value });
  by("message").value = "";
  return done;
});
onSubmit("push-form", () => {
  const file = by("push").files[0];
  say(by("said"), `copying ${file.name}…`);
  return ask("PUT", `/lecturer/file?${new URLSearchParams({ name: file.name })}`, file);
});
onSubmit("extend-form", async () => {
  const done = await ask("POST", "/lecturer/extend", { minutes: Number(by("minutes").value) });
  if (done.ends) showEnd(done.ends);
  return done;
});

showEnd(document.body.dataset.ends);
tick();
setInterval(tick, 10000);
lasting("/lecturer/board", (data) => {
  const news = JSON.parse(data);
  if (news.kind === "rows") {
    for (const one of news.rows) if (rows.has(one.seat)) fill(rows.get(one.seat), one);
    for (const [name, count] of Object.entries(news.summary)) say(by(`count-${name}`), count);
    tick();
    if (by("order").value !== "roster") order();
  } else if (news.kind === "ends") showEnd(news.time);
  else if (news.kind === "note") say(by("said"), news.text);
}, (state) => say(by("connection"), state === "open" ? "live" : state === "cut" ? "connection cut: trying again…" : "not signed in any more"));
