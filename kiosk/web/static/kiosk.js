// The kiosk's screen: draws what /events says, sends what is pressed. It keeps nothing: a reload
// at any moment shows the same screen again.
import { cover, scene, tick, pile } from "/static/pictures.js";

const place = (id) => document.getElementById(id);
let texts = {};
let shown = "";
let soundHeard = null;
let typed = "";
let asking = false;
let wordsOf = "";

export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child != null && child !== false) node.append(child);
  }
  return node;
}

function say(key, values = {}) {
  const words = texts[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

function count(key, n) {
  return say(`${key}_${n === 1 ? "one" : "other"}`, { n });
}

async function press(action, body = {}) {
  try {
    await fetch(`/session/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    place("lost").hidden = false;
  }
}

function button(kind, words, action) {
  return h("button", { type: "button", class: kind, onclick: action }, words);
}

function day(view, iso) {
  if (!iso) return "";
  const [year, month, date] = iso.slice(0, 10).split("-").map(Number);
  const style = { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" };
  return new Intl.DateTimeFormat(view.language, style).format(Date.UTC(year, month - 1, date));
}

function due(view, tile) {
  return tile.on_site && tile.due_time ? tile.due_time : day(view, tile.due_on);
}

function waiting(view) {
  return h("div", { class: "welcome" },
    h("div", { class: "picture" }, scene()),
    h("div", { class: "words" },
      h("h1", {}, say(view.lends ? "idle_title" : "idle_return_only")),
      h("p", { class: "hint" }, view.left_over ? say("left_over") : say("idle_hint")),
      devices(view),
      h("div", { class: "row" },
        button("big", say("return_books"), () => press("mode", { mode: "return" })),
        view.lends && view.numbers && button("big plain", say("type_number"), () => { asking = true; typed = ""; draw(view); }))));
}

function devices(view) {
  if (view.pad) return null;
  return h("p", { class: "caution" }, say(view.scanner ? "pad_missing" : "devices_missing"));
}

function offered(view) {
  return h("div", { class: "visit" },
    h("div", { class: "pad" },
      h("h1", {}, count("offered", view.items.length)),
      h("p", { class: "hint" }, say("offered_hint")),
      tiles(view)),
    h("div", { class: "side" },
      h("div", { class: "empty" }, scene()),
      button("big", say("return_books"), () => press("mode", { mode: "return" }))));
}

function keypad(view, title, hidden, send, leave) {
  const dots = h("output", { class: "dots", "aria-label": title }, hidden ? "•".repeat(typed.length) : typed);
  const type = (digit) => { if (typed.length < 20) typed += digit; draw(view); press("touch"); };
  const key = (label, action, kind = "") => h("button", { type: "button", class: `key ${kind}`, onclick: action, "data-key": label }, label);
  return h("div", { class: "centre" },
    h("div", { class: "pin" },
      h("div", { class: "words" },
        h("h1", {}, title), hidden && h("p", { class: "hint" }, say("pin_hint")), dots,
        h("div", { class: "row" },
          button("big", say("ok"), send), button("big plain", say("cancel"), leave))),
      h("div", { class: "keys" },
        [..."123456789"].map((digit) => key(digit, () => type(digit))),
        key(say("delete"), () => { typed = typed.slice(0, -1); draw(view); }, "word"),
        key("0", () => type("0")))));
}

function askPin(view) {
  const send = () => { press("pin", { pin: typed }); typed = ""; };
  return keypad(view, say("pin_title"), true, send, () => { typed = ""; press("finish"); });
}

function askNumber(view) {
  const send = () => { press("number", { number: typed }); typed = ""; asking = false; draw(view); };
  return keypad(view, say("number_title"), false, send, () => { typed = ""; asking = false; draw(view); });
}

function tiles(view) {
  if (!view.items.length) return h("div", { class: "empty" }, pile());
  return h("ul", { class: "tiles" }, [...view.items].reverse().map((tile) => tileOf(view, tile)));
}

function tileOf(view, tile) {
  return h("li", { class: "tile", "data-state": tile.state, "data-key": tile.key },
    cover(tile.title, tile.author),
    h("div", { class: "what" },
      h("p", { class: "name" }, tile.title || say("offered_one")),
      ...tellTile(view, tile),
      tile.parts_missing.length > 0 && h("p", { class: "note" }, say("parts_missing", { parts: tile.parts_missing.join(", ") })),
      tile.notes.map((note) => h("p", { class: "note" }, note))));
}

function tellTile(view, tile) {
  const busy = (words) => [h("div", { class: "done-row" }, h("span", { class: "busy mark", "aria-hidden": "true" }), h("p", { class: "say" }, words))];
  const tellers = {
    placed: () => [h("p", { class: "label" }, tile.author)],
    checking: () => busy(say("checking")),
    recorded: () => busy(say("recorded")),
    done: () => done(view, tile),
    again: () => [h("p", { class: "say" }, tile.notice || say("again"))],
    unswitched: () => unswitched(view, tile),
    held: () => held(view, tile),
    notice: () => [h("p", { class: "say" }, tile.notice)],
    refused: () => [h("p", { class: "say" }, say(tile.mode === "renew" ? "refused_renew" : "refused")),
      h("ul", {}, tile.reasons.map((reason) => h("li", {}, h("b", {}, reason.what), reason.next)))],
  };
  return (tellers[tile.state] || tellers.checking)();
}

function done(view, tile) {
  if (tile.mode === "return") return [h("div", { class: "done-row" }, tick(), h("p", { class: "say" }, say("done_return")))];
  const label = tile.mode === "renew" ? "done_renew" : tile.on_site ? "done_lend_here" : "done_lend";
  return [h("div", { class: "done-row" }, tick(),
    h("div", {}, h("p", { class: "label" }, say(label)), h("p", { class: "due" }, due(view, tile))))];
}

function unswitched(view, tile) {
  const returned = tile.mode === "return";
  return [h("p", { class: "say" }, say(returned ? "unswitched_return" : "unswitched_lend")),
    !returned && h("p", { class: "label" }, `${say("done_lend")} `, h("b", {}, due(view, tile)))];
}

function held(view, tile) {
  return [h("p", {}, say("held"), " ", h("b", {}, due(view, tile))),
    h("div", { class: "row" },
      button("small", say("renew"), () => press("renew", { item: tile.key })),
      button("small", say("return"), () => press("return", { item: tile.key })))];
}

function visiting(view) {
  const lending = view.state.startsWith("lending");
  return h("div", { class: "visit" },
    h("div", { class: "pad" },
      h("h1", {}, lending ? say("hello", { name: view.patron }) : say("returning_title")),
      h("p", { class: "hint" }, say(!view.pad ? "pad_missing" : view.left_over ? "left_over" : lending ? "lending_hint" : "returning_hint")),
      tiles(view)),
    h("div", { class: "side" },
      lending ? h("h2", {}, view.loans.length ? `${say("loans_title")} (${view.loans.length})` : "") : null,
      h("ul", { class: "loans" }, view.loans.map((loan) => loanOf(view, loan))),
      button("big", say("finish"), () => press("finish"))));
}

function loanOf(view, loan) {
  return h("li", {},
    h("div", {}, h("p", { class: "title" }, loan.title),
      h("p", { class: loan.overdue ? "when late" : "when" }, `${say(loan.overdue ? "overdue" : "due")} ${day(view, loan.due_on)}`)),
    loan.renewable && button("small", say("renew"), () => press("renew", { item: loan.key })));
}

function farewell(view) {
  const { lent, returned, unswitched: open } = view.farewell;
  const counts = [lent > 0 && h("span", {}, count("farewell_lent", lent)), returned > 0 && h("span", {}, count("farewell_returned", returned))];
  return h("div", { class: "centre" }, tick("8rem"), h("h1", {}, say("farewell")),
    h("div", { class: "counts" }, counts),
    h("p", { class: "hint" }, lent + returned > 0 ? say("farewell_take") : say("farewell_nothing")),
    open > 0 && h("p", { class: "caution" }, say("farewell_slip")));
}

function stopped() {
  return h("div", { class: "centre" }, pile(), h("h1", {}, say("stopped")), h("p", { class: "hint" }, say("stopped_hint")));
}

const SCREENS = {
  idle: waiting, offered, pin: askPin, lending: visiting, lending_ends: visiting,
  returning: visiting, returning_ends: visiting, farewell, stopped,
};

function chrome(view) {
  document.documentElement.lang = view.language;
  document.body.dataset.state = view.state;
  document.title = view.place;
  place("place").textContent = view.place;
  place("easy").setAttribute("aria-label", say("easy"));
  place("languages").replaceChildren(...Object.entries(view.languages).map(([code, name]) =>
    h("button", { type: "button", lang: code, "aria-pressed": String(code === view.language), onclick: () => press("language", { language: code }) }, name)));
  const notice = place("notice");
  notice.hidden = !view.notice;
  if (notice.textContent !== view.notice) notice.textContent = view.notice;
  const words = [];
  if (!view.online) words.push(view.waiting > 0 ? say("waiting", { n: view.waiting }) : say("offline"));
  if (view.clock !== "sure") words.push(say("clock_unsure"));
  place("staff").replaceChildren(...words.map((word) => h("span", {}, word)), ...view.health.map((word) => h("span", {}, word)));
}

function warn(view) {
  const box = place("countdown");
  const open = view.countdown_s != null;
  if (open && box.hidden) {
    box.replaceChildren(h("div", { class: "box" }, h("h1", { id: "countdown-title" }, say("still_there")),
      h("p", { class: "hint" }), h("div", { class: "bar" }, h("i", {})),
      h("div", { class: "row" }, button("big", say("more_time"), () => press("stay")), button("big plain", say("finish"), () => press("finish")))));
    box.hidden = false;
    box.querySelector("button").focus();
  }
  box.hidden = !open;
  if (!open) return;
  box.querySelector(".hint").textContent = say("closing_in", { s: view.countdown_s });
  box.querySelector("i").style.width = `${(100 * view.countdown_s) / Math.max(1, view.countdown_total_s)}%`;
}

function alarm(view) {
  const box = place("alarm");
  box.hidden = !view.alarm;
  if (!view.alarm) return;
  const known = view.alarm.title;
  box.replaceChildren(h("span", {}, say(known ? "gate_alarm" : "gate_alarm_unknown", view.alarm)),
    h("span", {}, view.alarm.shelf_mark ? say("shelf", { shelf: view.alarm.shelf_mark }) : ""));
}

function speak(view) {
  const last = view.items[view.items.length - 1];
  const told = (selector) =>
    [...place("main").querySelectorAll(selector)].map((one) => one.textContent.trim()).filter(Boolean).join(", ");
  const tile = last ? told(`[data-key="${CSS.escape(last.key)}"] .what p`) : "";
  const sentences = [told("h1"), tile].filter(Boolean);
  const now = sentences.map((words) => words.replace(/[.。]?$/, ".")).join(" ");
  if (place("spoken").textContent !== now) place("spoken").textContent = now;
}

function beep(view) {
  const [number, kind] = view.sound;
  const first = soundHeard === null;
  if (first || number === soundHeard) { soundHeard = number; return; }
  soundHeard = number;
  const audio = new AudioContext();
  const volume = audio.createGain();
  volume.gain.value = 0.08;
  volume.connect(audio.destination);
  const notes = kind === "done" ? [660, 880] : [330, 330];
  notes.forEach((pitch, index) => {
    const tone = audio.createOscillator();
    tone.frequency.value = pitch;
    tone.connect(volume);
    tone.start(audio.currentTime + index * 0.12);
    tone.stop(audio.currentTime + index * 0.12 + 0.1);
  });
  setTimeout(() => audio.close(), 800);
}

let view = null;

function draw(latest) {
  view = latest;
  if (wordsOf !== view.language) { wordsOf = view.language; texts = view.texts ?? texts; }
  if (view.state !== "idle") asking = false;
  if (view.state === "idle" && document.documentElement.classList.contains("easy") && shown && document.body.dataset.state !== "idle") easy(false);
  chrome(view);
  const key = JSON.stringify([view.state, view.language, view.patron, view.items, view.loans, view.pad, view.scanner, view.left_over, view.farewell, asking, typed]);
  if (key !== shown) {
    const focus = document.activeElement?.textContent;
    const scroll = place("main").querySelector(".loans")?.scrollTop ?? 0;
    keepTiles(asking ? askNumber(view) : (SCREENS[view.state] || waiting)(view));
    const loans = place("main").querySelector(".loans");
    if (loans) loans.scrollTop = scroll;
    const again = focus && [...place("main").querySelectorAll("button")].find((node) => node.textContent === focus);
    if (again) again.focus();
    shown = key;
    speak(view);
  }
  warn(view);
  alarm(view);
  beep(view);
}

// Tiles that say the same as before stay in place, so that nothing flickers under a hand.
function keepTiles(screen) {
  const old = new Map([...place("main").querySelectorAll(".tile")].map((node) => [node.dataset.key, node]));
  for (const fresh of screen.querySelectorAll(".tile")) {
    const before = old.get(fresh.dataset.key);
    if (before && before.dataset.state === fresh.dataset.state && before.textContent === fresh.textContent && fresh.dataset.state !== "held") fresh.replaceWith(before);
    else if (before) fresh.style.animation = "none";
  }
  place("main").replaceChildren(screen);
}

function easy(on) {
  document.documentElement.classList.toggle("easy", on);
  place("easy").setAttribute("aria-pressed", String(on));
}

place("easy").addEventListener("click", () => { easy(!document.documentElement.classList.contains("easy")); press("touch"); });
addEventListener("keydown", (event) => {
  const typing = view && (view.state === "pin" || asking);
  if (event.key === "Escape") { if (asking) { asking = false; typed = ""; draw(view); } else press("finish"); }
  else if (typing && /^\d$/.test(event.key)) { typed = (typed + event.key).slice(0, 20); draw(view); }
  else if (typing && event.key === "Backspace") { typed = typed.slice(0, -1); draw(view); }
  else if (typing && event.key === "Enter" && event.target === document.body) place("main").querySelector(".big").click();
});
addEventListener("pointerdown", () => { if (view && view.state !== "idle") press("touch"); });
addEventListener("contextmenu", (event) => event.preventDefault());

const events = new EventSource("/events");
events.addEventListener("state", (event) => { place("lost").hidden = true; draw(JSON.parse(event.data)); });
let lostTimer = null;
events.onerror = () => {
  clearTimeout(lostTimer);
  lostTimer = setTimeout(() => {
    if (events.readyState === EventSource.OPEN) return;
    place("main").replaceChildren();
    shown = "";
    place("lost").replaceChildren(h("div", { class: "box" }, h("span", { class: "busy", style: "width:4rem;height:4rem" }), h("h1", {}, say("reconnecting"))));
    place("lost").hidden = false;
  }, 1500);
};
