"use strict";
/* A terminal in a tab: xterm.js, and a socket to what the server shares among all who look at it. */

/* xterm.js 5 writes styles in ways that our Content-Security-Policy refuses: <style> elements and style
   attributes. The same through the object model is no markup, and allowed. */
(() => {
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    if (String(name).toLowerCase() !== "style") return create(name, options);
    const one = create("template"), sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    Object.defineProperty(one, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
    const remove = one.remove.bind(one);
    one.remove = () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
      remove();
    };
    return one;
  };
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else set.call(this, name, value);
  };
})();

const COLOURS = {
  background: "#12161b", foreground: "#e8ebef", cursor: "#86b6ff", cursorAccent: "#12161b", selectionBackground: "#3b5b8c",
  black: "#3a424d", red: "#ff8d85", green: "#8ddf9d", yellow: "#ffc36b", blue: "#86b6ff", magenta: "#e2a6ff", cyan: "#74d8cb", white: "#d5dae0",
  brightBlack: "#8b96a3", brightRed: "#ffb0aa", brightGreen: "#b2f0bd", brightYellow: "#ffdca3", brightBlue: "#b3d1ff", brightMagenta: "#eeccff", brightCyan: "#a6ebe2", brightWhite: "#ffffff",
};
const ARROWS = { up: "A", down: "B", right: "C", left: "D" };

/**
 * Open a terminal in `box`. `path` is its socket's, `lecturer` whether the lecturer looks, and `on` has
 * functions that are told: `here` (who else is), `title`, `ended`.
 */
function openTerminal(box, path, lecturer, on) {
  const term = new Terminal({
    linkHandler: { activate: () => {} }, // links that programs make lead nowhere
    cursorBlink: false, scrollback: 5000, fontSize: 15, minimumContrastRatio: 4.5, screenReaderMode: on.aloud,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace', theme: COLOURS, macOptionIsMeta: true,
  });
  const fit = new FitAddon.FitAddon(), state = made("p", { className: "state", hidden: true });
  const screen = made("div", { className: "terminal" });
  state.setAttribute("role", "status");
  box.append(screen, state);
  term.loadAddon(fit);
  term.open(screen);
  let replaying = 0, answers = true, types = !lecturer, follows = lecturer, over = false, control = false;
  const encode = new TextEncoder();
  const tell = (text) => { state.textContent = text; state.hidden = !text; };
  let failure = "";

  /* Of several browsers only one answers what a program asks the terminal, and none while old output is shown
     again: more answers would be read as typed. */
  const silent = () => replaying > 0 || !answers;
  for (const final of ["c", "n"]) {
    term.parser.registerCsiHandler({ final }, silent);
    for (const prefix of [">", "?", "="]) term.parser.registerCsiHandler({ prefix, final }, silent);
  }
  term.parser.registerCsiHandler({ intermediates: "$", final: "p" }, silent);
  term.parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, silent);
  term.parser.registerDcsHandler({ intermediates: "$", final: "q" }, silent);
  for (const colour of [4, 10, 11, 12]) term.parser.registerOscHandler(colour, (data) => silent() && data.includes("?"));

  const hear = (data) => {
    if (typeof data !== "string") {
      const bytes = new Uint8Array(data), old = replaying > 0;
      term.write(bytes, () => {
        if (old) replaying = Math.max(0, replaying - bytes.length);
        socket.send(JSON.stringify({ kind: "shown", bytes: bytes.length }));
      });
      return;
    }
    const news = JSON.parse(data);
    if (news.kind === "replay") { failure = ""; tell(""); term.reset(); replaying = news.bytes; if (news.cut) term.write("\x1b[2m(the beginning is no longer kept)\x1b[0m\r\n"); }
    else if (news.kind === "size" && follows) term.resize(news.columns, news.rows);
    else if (news.kind === "here") { answers = news.answer; on.here(news); }
    else if (news.kind === "ended") { over = true; tell(lecturer ? "This terminal has ended." : "This terminal has ended. Press Enter to open it again."); }
    else if (news.kind === "note") tell(news.text);
    else if (news.kind === "error") { failure = [news.text, news.hint].filter(Boolean).join(" – "); tell(failure); }
  };
  const where = () => `${path}?columns=${term.cols}&rows=${term.rows}&mode=${types ? "join" : "look"}`;
  const changed = (what) => {
    if (what === "open") { over = false; if (!follows) sized(); }
    else if (what === "cut") { if (!over) tell(failure || "The connection was cut: trying again…"); }
    else if (what === 4401) tell("You are not signed in any more. Open your personal link again.");
    else { over = true; if (!state.textContent) tell("This terminal cannot be opened."); }
  };
  const sized = () => { if (!follows && box.isConnected && !box.hidden) { fit.fit(); socket.send(JSON.stringify({ kind: "size", columns: term.cols, rows: term.rows })); } };
  if (!follows) fit.fit();
  let socket = lasting(where, hear, changed);

  const type = (text) => {
    if (over && !lecturer && text === "\r") { socket.end(); term.reset(); socket = lasting(where, hear, changed); return; }
    if (!types) return;
    if (control && text.length === 1) { text = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31); press(false); }
    const bytes = encode.encode(text);
    for (let at = 0; at < bytes.length; at += 32768) socket.send(bytes.slice(at, at + 32768));
  };
  term.onData(type);
  term.onBinary((text) => { if (types) socket.send(Uint8Array.from(text, (one) => one.charCodeAt(0))); });
  term.onTitleChange((title) => on.title(title));
  const press = (down) => { control = down; on.control(down); };
  const copy = async () => { if (term.hasSelection()) await navigator.clipboard.writeText(term.getSelection()); };
  const paste = async () => term.paste(await navigator.clipboard.readText());
  term.attachCustomKeyEventHandler((event) => {
    if (event.key === "F6") { if (event.type === "keydown") on.leave(); event.preventDefault(); return false; }
    const letter = event.ctrlKey && event.shiftKey ? event.key.toLowerCase() : "";
    if (letter === "c") { if (event.type === "keydown") copy(); event.preventDefault(); return false; }
    return letter !== "v"; // the browser itself pastes
  });
  new ResizeObserver(() => sized()).observe(box);
  return {
    term, copy, paste, focus: () => term.focus(), shown: () => { sized(); term.refresh(0, term.rows - 1); },
    key: (name) => {
      if (name === "ctrl") press(!control);
      else type(name === "esc" ? "\x1b" : name === "tab" ? "\t" : `\x1b${term.modes.applicationCursorKeysMode ? "O" : "["}${ARROWS[name]}`);
      term.focus();
    },
    join: (now) => { types = now; if (over) { over = false; socket.end(); socket = lasting(where, hear, changed); } else socket.send(JSON.stringify({ kind: "join", types: now })); },
    end: () => { socket.end(); term.dispose(); box.remove(); },
  };
}
