"use strict";
/* A seat's page. */

const by = (id) => document.getElementById(id);
const about = document.body.dataset, base = `/seats/${about.seat}`, lecturer = about.lecturer === "yes";
const most = Number(about.most);

/* Terminals, in tabs. */

const open = new Map();
let chosen = "";
const keyOf = (machine, number) => `${machine} ${number}`;

function openTab(machine, number, focus) {
  const key = keyOf(machine, number);
  if (!open.has(key)) {
    const box = made("div", { className: "tab-box", id: `box-${machine}-${number}` });
    box.setAttribute("role", "tabpanel");
    box.style.height = "100%";
    by("terminals").append(box);
    const tab = made("button", { textContent: number === 1 ? machine : `${machine} ${number}`, id: `tab-${machine}-${number}` });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", box.id);
    box.setAttribute("aria-labelledby", tab.id);
    tab.onclick = () => { choose(key); open.get(key).terminal.focus(); };
    tab.onkeydown = moveTabs;
    const end = made("button", { className: "end", textContent: "×", title: "Close this tab" });
    end.setAttribute("aria-label", `Close the tab ${tab.textContent}`);
    end.onclick = () => closeTab(key);
    const holder = made("span", {}, tab, end);
    holder.setAttribute("role", "presentation");
    by("tabs").append(holder);
    const one = { machine, number, box, tab, holder, here: null };
    open.set(key, one);
    one.terminal = openTerminal(box, `${base}/terminals/${machine}/${number}`, lecturer, {
      here: (news) => { one.here = news; if (chosen === key) showHere(); },
      title: () => {},
      control: (down) => document.querySelector("[data-key=ctrl]").setAttribute("aria-pressed", String(down)),
      leave: () => tab.focus(),
      aloud: by("aloud").checked,
    });
    if (lecturer && by("join").checked) one.terminal.join(true);
  }
  choose(key);
  if (focus) open.get(key).terminal.focus();
}

function choose(key) {
  chosen = key;
  for (const [other, one] of open) {
    const now = other === key;
    one.box.hidden = !now;
    one.tab.setAttribute("aria-selected", String(now));
    one.tab.tabIndex = now ? 0 : -1;
    if (now) one.terminal.shown();
  }
  showHere();
  const machine = open.get(key)?.machine || by("machine").value;
  for (const place of document.querySelectorAll(".of-machine")) say(place, machine);
  if (by("files").open) list();
}

function closeTab(key) {
  const one = open.get(key);
  one.terminal.end();
  one.holder.remove();
  open.delete(key);
  choose(open.has(chosen) ? chosen : [...open.keys()].pop() || "");
  (open.get(chosen)?.tab || by("open")).focus();
}

function moveTabs(event) {
  const keys = [...open.keys()], at = keys.indexOf(chosen);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  choose(keys[(at + step + keys.length) % keys.length]);
  open.get(chosen).tab.focus();
}

function showHere() {
  const here = open.get(chosen)?.here, words = [];
  if (here && !lecturer && here.lecturer === "looking") words.push("Your lecturer is looking at this terminal.");
  if (here && !lecturer && here.lecturer === "together") words.push("Your lecturer is here too, and may type.");
  if (here && here.others > 0) words.push(lecturer ? "Somebody is at this terminal." : "It is open in another window too.");
  say(by("watched"), words.join(" "));
  by("watched").hidden = !words.length;
}

by("open").onclick = () => {
  const machine = by("machine").value;
  for (let number = 1; number <= Number(about.terminals); number += 1)
    if (!open.has(keyOf(machine, number))) { openTab(machine, number, true); return; }
  openTab(machine, 1, true);
};
by("aloud").checked = localStorage.getItem("aloud") === "yes";
by("aloud").onchange = () => {
  localStorage.setItem("aloud", by("aloud").checked ? "yes" : "");
  for (const one of open.values()) one.terminal.term.options.screenReaderMode = by("aloud").checked;
};
by("copy").onclick = () => open.get(chosen)?.terminal.copy();
by("paste").onclick = async () => { const one = open.get(chosen); if (one) { await one.terminal.paste().catch(() => {}); one.terminal.focus(); } };
for (const button of document.querySelectorAll("[data-key]")) button.onclick = () => open.get(chosen)?.terminal.key(button.dataset.key);
if (lecturer) by("join").onchange = () => { for (const one of open.values()) one.terminal.join(by("join").checked); };

/* The exercise. */

const picked = () => by("exercise").selectedOptions[0]?.dataset;
async function showExercise() {
  const one = picked();
  if (!one) return;
  localStorage.setItem(`exercise of ${about.seat}`, `${one.lab} ${one.exercise}`);
  say(by("due"), one.due ? `due ${new Date(one.due).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}` : "");
  const query = new URLSearchParams({ lab: one.lab, exercise: one.exercise });
  const place = by("readme");
  try {
    const answer = await fetch(`${base}/readme?${query}`);
    if (!answer.ok) throw new Error("The README cannot be shown now.");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...page.body.childNodes);
    for (const link of place.querySelectorAll("a")) { link.target = "_blank"; link.rel = "noopener noreferrer"; }
    place.scrollTop = 0;
  } catch (problem) { say(place, problem.message); }
}
by("exercise").onchange = showExercise;
const before = localStorage.getItem(`exercise of ${about.seat}`);
for (const option of by("exercise").options)
  if (`${option.dataset.lab} ${option.dataset.exercise}` === before) option.selected = true;
showExercise();

/* Buttons, and what came of them. */

function start(url, body) {
  ask("POST", `${base}/${url}`, body).catch((problem) => showJob({ state: "done", good: false, title: problem.message, lines: [] }));
}
let since = 0, ticking = 0;
function showJob(news) {
  const place = by("result"), running = news.state === "running";
  place.hidden = false;
  place.className = `result ${news.good === true ? "good" : news.good === false ? "bad" : ""}`;
  clearInterval(ticking);
  for (const id of ["check", "hand-in", "reset"]) if (by(id)) by(id).disabled = running;
  if (running) {
    since = Date.now();
    const words = made("p", { textContent: `${news.what}…` }), time = made("span", { className: "soft" });
    time.setAttribute("aria-hidden", "true");
    words.append(" ", time);
    place.replaceChildren(words);
    ticking = setInterval(() => say(time, `${Math.round((Date.now() - since) / 1000)} s`), 1000);
    return;
  }
  const took = news.seconds === undefined ? "" : ` (${news.seconds} s)`;
  const head = made("p", {}, made("strong", { textContent: news.title }), made("span", { className: "soft", textContent: took }));
  const lines = news.lines.map((one) => made("li", { className: one.good === true ? "good" : one.good === false ? "bad" : "", textContent: one.text }));
  place.replaceChildren(head, ...(lines.length ? [made("ul", {}, ...lines)] : []));
}
for (const id of ["check", "hand-in"]) if (by(id)) by(id).onclick = () => { const one = picked(); if (one) start(id, { lab: one.lab, exercise: one.exercise }); };
if (by("reset")) by("reset").onclick = () => {
  const machine = open.get(chosen)?.machine || by("machine").value, button = by("reset");
  if (button.dataset.sure !== machine) { // asked twice, in place: what runs there ends
    button.dataset.sure = machine;
    button.textContent = `Reset ${machine} now`;
    setTimeout(() => { delete button.dataset.sure; button.textContent = "Reset it"; }, 6000);
    return;
  }
  delete button.dataset.sure;
  button.textContent = "Reset it";
  start("reset", { machine });
};
if (by("add-key")) by("add-key").onclick = async () => {
  try { say(by("key-said"), (await ask("POST", `${base}/keys`, { key: by("key").value })).said); by("key").value = ""; }
  catch (problem) { say(by("key-said"), problem.message); }
};

/* Files. */

let folder = "";
const machineNow = () => open.get(chosen)?.machine || by("machine").value;
const sized = (bytes) => bytes < 10240 ? `${bytes} bytes` : bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;
async function list() {
  say(by("folder"), folder ? `~/${folder}` : "~");
  by("up").disabled = !folder;
  try {
    const found = await ask("GET", `${base}/files/${machineNow()}?${new URLSearchParams({ folder })}`);
    by("listing").replaceChildren(...found.map(entry));
    say(by("file-said"), found.length ? "" : "This folder is empty.");
  } catch (problem) { by("listing").replaceChildren(); say(by("file-said"), problem.message); }
}
function entry(one) {
  const path = folder ? `${folder}/${one.name}` : one.name;
  const link = made("a", { textContent: one.folder ? "as ZIP" : one.name, href: `${base}/file/${machineNow()}?${new URLSearchParams({ path })}` });
  link.setAttribute("download", "");
  if (!one.folder) return made("li", {}, link, made("span", { className: "soft", textContent: sized(one.size) }));
  const enter = made("button", { className: "quiet", textContent: `${one.name}/` });
  enter.onclick = () => { folder = path; list(); };
  return made("li", {}, enter, link);
}
by("files").ontoggle = () => { if (by("files").open) list(); };
by("up").onclick = () => { folder = folder.split("/").slice(0, -1).join("/"); list(); };
by("upload").onchange = async () => {
  const said = [];
  for (const file of by("upload").files) {
    say(by("file-said"), `copying ${file.name}…`);
    try {
      if (file.size > most) throw new Error(`larger than ${sized(most)}: use scp`);
      await ask("PUT", `${base}/file/${machineNow()}?${new URLSearchParams({ folder, name: file.name })}`, file);
      said.push(`${file.name} is there`);
    } catch (problem) { said.push(`${file.name}: ${problem.message}`); }
  }
  by("upload").value = "";
  await list();
  say(by("file-said"), said.join(". "));
};

/* News. */

const showing = new Set(), read = new Set(JSON.parse(sessionStorage.getItem("read") || "[]"));
function showMessage(news) {
  const mark = `${news.time} ${news.text}`;
  if (read.has(mark) || showing.has(mark)) return;
  showing.add(mark);
  const when = new Date(news.time).toLocaleTimeString([], { timeStyle: "short" });
  const close = made("button", { className: "quiet", textContent: "Close" });
  const line = made("p", {}, made("span", { textContent: `${when}, from your lecturer: ${news.text}` }), close);
  close.onclick = () => { read.add(mark); sessionStorage.setItem("read", JSON.stringify([...read])); line.remove(); };
  by("messages").append(line);
}
let first = true;
lasting(`${base}/news`, (data) => {
  const news = JSON.parse(data);
  if (news.kind === "message") showMessage(news);
  else if (news.kind === "job") showJob(news);
  else if (news.kind === "ends") showEnd(news.time);
  else if (news.kind === "terminals" && (first || lecturer)) {
    for (const [machine, number] of news.open) if (!open.has(keyOf(machine, number))) { const now = chosen; openTab(machine, number, false); if (now) choose(now); }
    if (first && !open.size && by("machine").value && !lecturer) openTab(by("machine").value, 1, false);
    if (first && !lecturer) open.get(chosen)?.terminal.focus();
    first = false;
  }
}, () => {});
