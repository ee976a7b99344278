"use strict";
const body = document.body;
const slides = [...document.querySelectorAll(".slide")];
const bar = document.querySelector("nav");
const list = bar.querySelector("select");
const place = () => Math.max(0, slides.findIndex((slide) => slide.id === location.hash.slice(1)));

slides.forEach((slide, number) => list.add(new Option(`${number + 1}. ${slide.querySelector("h1, h2").textContent}`, slide.id)));
bar.hidden = false;

function show() {
  const current = slides[place()];
  for (const slide of slides) slide.classList.toggle("current", slide === current);
  list.value = current.id;
  if (!body.classList.contains("projecting")) return;
  scrollTo(0, 0);
  if (document.activeElement !== list) current.focus({ preventScroll: true });
}

function turn(to) {
  location.hash = slides[Math.min(slides.length - 1, Math.max(0, to))].id;
}

// All answers of what is seen: open if one is closed, else closed.
function answers() {
  const seen = body.classList.contains("projecting") ? slides[place()] : document;
  const found = [...seen.querySelectorAll("details")];
  const open = found.some((one) => !one.open);
  for (const one of found) one.open = open;
}

const keys = {
  ArrowRight: () => turn(place() + 1), PageDown: () => turn(place() + 1),
  ArrowLeft: () => turn(place() - 1), PageUp: () => turn(place() - 1),
  Home: () => turn(0), End: () => turn(slides.length - 1),
  a: answers, l: () => list.focus(), p: () => { body.classList.toggle("projecting"); show(); },
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target === list) return;
  // A wide table is scrolled by the arrows where it has the focus.
  if (event.key.startsWith("Arrow") && event.target.closest(".scroll")) return;
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
list.addEventListener("change", () => { location.hash = list.value; });
for (const button of bar.querySelectorAll("button")) button.addEventListener("click", () => turn(place() + Number(button.dataset.turn)));
addEventListener("hashchange", show);

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

body.classList.add("projecting");
show();
