"use strict";
/* What both pages use: requests, sockets that come back, times in words. */

const say = (place, text) => { if (place) place.textContent = text; };

/** Make an element with these properties and children. */
function made(tag, properties = {}, ...children) {
  const one = Object.assign(document.createElement(tag), properties);
  one.append(...children);
  return one;
}

/** Send something and return the answer's JSON; throws an Error with words for people. */
async function ask(method, url, body) {
  const json = body !== undefined && !(body instanceof Blob);
  let answer;
  try {
    answer = await fetch(url, {
      method, credentials: "same-origin", body: json ? JSON.stringify(body) : body,
      headers: json ? { "Content-Type": "application/json" } : {},
    });
  } catch {
    throw new Error("The server does not answer. Check your network, and try again.");
  }
  if (answer.status === 401) throw new Error("You are not signed in any more. Open your personal link again.");
  if (answer.status === 413) throw new Error("That is too large.");
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error([found.error || `It failed (${answer.status}).`, found.hint].filter(Boolean).join(" – "));
  return found;
}

const address = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;

/**
 * A WebSocket that is opened again when it was cut, a little later each time. `hear` gets each message,
 * `state` is told "open", "cut", or the code of a close that is meant to last. Returns it, with `send`.
 */
function lasting(path, hear, state) {
  let socket, wait = 250, timer = 0, ended = false;
  const open = () => {
    socket = new WebSocket(address(typeof path === "function" ? path() : path));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { wait = 250; state("open"); };
    socket.onmessage = (event) => hear(event.data);
    socket.onclose = (event) => {
      if (ended) return;
      if ([4400, 4401, 4403, 4429].includes(event.code)) { state(event.code); return; }
      state("cut");
      timer = setTimeout(open, wait + Math.random() * wait);
      wait = Math.min(wait * 2, 8000);
    };
  };
  const again = () => { if (!ended && socket.readyState === WebSocket.CLOSED) { clearTimeout(timer); wait = 250; open(); } };
  addEventListener("online", again);
  open();
  return {
    send: (data) => { if (socket.readyState === WebSocket.OPEN) { socket.send(data); return true; } return false; },
    again,
    end: () => { ended = true; clearTimeout(timer); removeEventListener("online", again); socket.close(); },
  };
}

/** A stretch of time in words, from seconds. */
function stretch(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return "less than a minute";
  if (minutes < 120) return minutes === 1 ? "1 minute" : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}

let ending = "";
/** Show how much time is left until a moment (ISO 8601), "" for no end. */
function showEnd(time) {
  if (time !== undefined) ending = time;
  const place = document.getElementById("left");
  if (!ending) { say(place, ""); return; }
  const left = (new Date(ending) - Date.now()) / 1000;
  place.classList.toggle("soon", left < 900);
  const text = left > 0 ? `${stretch(left)} left` : "time is up";
  if (place.textContent !== text) say(place, text);
}
setInterval(showEnd, 5000);
