// The bench's page. The server holds the truth: this file draws the state it is sent, keyed by
// thing, and turns drags, clicks and keys into POSTs. Nothing moves here before the server says so.

import { lookAtStation, lookAtThing } from "./inside.js";
import { drawShow } from "./show.js";

const PALETTE = ["#7b2d26", "#1f4e5f", "#335c3b", "#5b3a70", "#8a5a14", "#23395b", "#6b2737",
  "#2f6b62", "#4a4e69", "#874000", "#3d5a80", "#5f4b32", "#8c2f39", "#2b5d34"];
const CARD_PALETTE = ["#1d4ed8", "#0f766e", "#7c3aed", "#b45309", "#be123c", "#15803d"];
const SAYS = { in_stock: "IN STOCK", on_loan: "ON LOAN", none: "NO AFI", untagged: "NO TAG" };
const PLUG_STATES = [["up", "Plugged in"], ["cut", "Unplugged"], ["stalled", "Stalled"]];
const DRAG_AFTER_PX = 5;

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const things = new Map();   // key -> element
const picked = new Set();   // keys
let state = null;
const labels = new Map();   // station -> what people call it
let silenceHint = 0;        // until when a message stays, in ms

// --- talking to the server ------------------------------------------------------------------

async function post(action, body) {
  let answer = null;
  try {
    answer = await fetch(`/api/${action}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    return hint("The bench does not answer. Is it still running?", "alert");
  }
  if (!answer.ok) hint((await answer.json()).error, "alert");
}

function listen() {
  const source = new EventSource("/events");
  source.addEventListener("state", (event) => draw(JSON.parse(event.data)));
  source.onerror = () => hint("The bench is away; trying again…", "alert");
}

function hint(text, kind = "", ms = 4000) {
  const line = $("#hint");
  if (kind !== "alert" && Date.now() < silenceHint) return;
  silenceHint = kind === "alert" ? Date.now() + ms : 0;
  line.className = kind;
  line.textContent = text;
}

function usualHint() {
  const names = [...picked].map((key) => things.get(key)?.dataset.title).filter(Boolean);
  const what = names.length > 2 ? `${names.length} things` : names.join(" and ");
  if (names.length) hint(`Picked: ${what}. Now click a place, or press its key.`, "picked");
  else hint("Lay a card down, then books on the pad. Drag, or click a thing and then a place.");
}

// --- drawing --------------------------------------------------------------------------------

function draw(next) {
  if (!state) build(next);
  state = next;
  const before = new Map([...things].map(([key, element]) => [key, element.getBoundingClientRect()]));
  for (const book of next.books) drawThing(book, "book");
  for (const card of next.cards) drawThing(card, "card-thing");
  next.kiosks.forEach(drawKiosk);
  next.gates.forEach(drawGate);
  next.plugs.forEach(drawPlug);
  drawLog(next.log);
  drawShow(next, post);
  for (const zone of $$(".zone")) {
    zone.classList.toggle("full", Boolean($(".things > .thing", zone)));
    const all = $(".all", zone);
    if (all) all.hidden = !$(".things > .thing", zone);
    zone.classList.toggle("source", picked.size > 0 && [...picked].every((key) => things.get(key)?.closest(".zone") === zone));
  }
  glide(before);
  keepOneTabStop();
  usualHint();
}

function build(first) {
  for (const kiosk of first.kiosks) $("#kiosks").append(buildKiosk(kiosk));
  for (const gate of first.gates) $("#gates").append(buildGate(gate));
  for (const station of [...first.kiosks, ...first.gates]) labels.set(station.id, station.label);
  const links = $("#links");
  if (first.links.gateway) links.append(link("Gateway", first.links.gateway));
  const hub = first.plugs.find((plug) => plug.id === "gateway");
  if (hub) {
    const holder = document.createElement("span");
    holder.className = "plug";
    holder.dataset.plug = hub.id;
    links.append(holder);
  }
  for (const holder of $$(".plug")) buildPlug(holder, first.plugs);
  for (const zone of $$(".zone")) buildDrop(zone);
}

function buildKiosk(kiosk) {
  const panel = $("#kiosk").content.cloneNode(true).firstElementChild;
  panel.dataset.id = kiosk.id;
  $("h2", panel).textContent = kiosk.label;
  buildGlass(panel, kiosk);
  const screen = $("a", panel);
  if (kiosk.screen) screen.href = kiosk.screen; else screen.remove();
  if (kiosk.screen) showScreen(panel, kiosk);
  $(".plug", panel).dataset.plug = kiosk.id;
  const number = $$(".kiosk").length + 1;
  place($(".pad", panel), `${kiosk.id}/pad`, String(number), `Pad of ${kiosk.label}`);
  place($(".card", panel), `${kiosk.id}/card`, String(number + 2), `Card spot of ${kiosk.label}`);
  place($(".scanner", panel), `scan:${kiosk.id}`, String(number + 4), `Scanner of ${kiosk.label}`);
  return panel;
}

// The kiosk's own page, small; a click opens it in its real size.
function showScreen(panel, kiosk) {
  const screen = $(".screen", panel);
  screen.hidden = false;
  panel.classList.add("seen");
  const frame = $("iframe", screen);
  frame.title = `Screen of ${kiosk.label}`;
  frame.src = kiosk.screen;
  new ResizeObserver(() => screen.style.setProperty("--scale", screen.clientWidth / 1024)).observe(screen);
  const button = $("button", screen);
  button.setAttribute("aria-label", `Enlarge the screen of ${kiosk.label}`);
  button.onclick = () => {
    $("#big iframe").src = kiosk.screen;
    $("#big").showModal();
  };
}

function buildGate(gate) {
  const panel = $("#gate").content.cloneNode(true).firstElementChild;
  panel.dataset.id = gate.id;
  $("h2", panel).textContent = gate.label;
  buildGlass(panel, gate);
  $(".plug", panel).dataset.plug = gate.id;
  $(".guard", panel).onclick = () => post("press", { gate: gate.id });
  for (const lane of gate.lanes) {
    const row = $("#lane").content.cloneNode(true).firstElementChild;
    row.dataset.id = lane.id;
    const number = $$(".lane").length + $$(".lane", panel).length + 7;
    place($(".passage", row), `${gate.id}/${lane.id}`, number < 10 ? String(number) : "", `${gate.label}, ${lane.id}`);
    for (const direction of ["in", "out"]) {
      const button = $(`.walk.${direction}`, row);
      button.setAttribute("aria-label", `Walk ${direction} through ${gate.label}, ${lane.id}, with what is in your hand`);
      button.onclick = () => walk(gate.id, lane.id, direction);
    }
    $(".lanes", panel).append(row);
  }
  return panel;
}

function buildGlass(panel, station) {
  const glass = $(".glass", panel);
  glass.setAttribute("aria-label", `Look inside ${station.label}`);
  glass.onclick = () => lookAtStation(station.id);
}

function place(zone, name, key, label) {
  zone.dataset.place = name;
  zone.dataset.key = key;
  zone.setAttribute("role", "group");
  zone.setAttribute("aria-label", label);
}

function buildDrop(zone) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "drop";
  button.append(zone.dataset.place.startsWith("scan:") ? "Scan" : "Put here");
  if (zone.dataset.key) {
    const key = document.createElement("kbd");
    key.textContent = zone.dataset.key.toUpperCase();
    button.append(" ", key);
  }
  button.setAttribute("aria-label", `Put what is picked here: ${zone.getAttribute("aria-label") || zone.dataset.place}`);
  zone.append(button);
}

function buildPlug(holder, plugs) {
  const plug = plugs.find((one) => one.id === holder.dataset.plug);
  if (!plug) return holder.remove();
  const select = document.createElement("select");
  select.setAttribute("aria-label", `Network plug of ${plug.label}`);
  select.title = "Unplugged: connections are refused. Stalled: they hang, as with a pulled cable.";
  for (const [value, text] of PLUG_STATES) select.append(new Option(plug.id === "gateway" ? `Gateway: ${text.toLowerCase()}` : text, value));
  select.onchange = () => post("plug", { plug: plug.id, state: select.value });
  holder.append(select);
}

function link(text, address) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.target = "_blank";
  anchor.rel = "noopener";
  anchor.textContent = text;
  return anchor;
}

function drawThing(thing, kind) {
  let element = things.get(thing.key);
  if (!element) things.set(thing.key, element = buildThing(thing, kind));
  const zone = $(`.zone[data-place="${thing.place}"]`);
  const holder = zone && $(".things", zone);
  if (holder && element.parentElement !== holder) {
    element.classList.remove("carried");
    putInOrder(holder, element);
  }
  if (kind === "book") {
    element.dataset.tag = thing.tag;
    $(".says", element).textContent = SAYS[thing.tag];
  }
  const says = kind === "book" ? `, tag says ${SAYS[thing.tag].toLowerCase()}` : ", reader’s card";
  element.setAttribute("aria-label", `${thing.title}${says}, ${zone?.getAttribute("aria-label") || thing.place}`);
  element.title = [thing.title, thing.author, thing.key, thing.uid && `tag ${thing.uid}`, thing.afi && `AFI ${thing.afi}`].filter(Boolean).join("\n");
}

function buildThing(thing, kind) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `thing ${kind}`;
  element.dataset.key = thing.key;
  element.dataset.title = thing.title;
  element.dataset.order = things.size;
  element.setAttribute("aria-pressed", "false");
  const number = [...thing.key].reduce((sum, digit) => sum * 7 + Number(digit || 0), 3);
  const palette = kind === "book" ? PALETTE : CARD_PALETTE;
  element.style.setProperty("--colour", palette[number % palette.length]);
  element.style.setProperty("--thick", `${22 + (number % 5) * 2}px`);
  element.style.setProperty("--tall", `${112 + (number % 9) * 4}px`);
  const title = document.createElement("b");
  title.textContent = thing.title;
  const small = document.createElement("small");
  small.textContent = kind === "book" ? thing.author : `…${thing.key.slice(-5)}`;
  element.append(title, small);
  if (kind === "book") {
    const says = document.createElement("span");
    says.className = "says";
    element.append(says);
  }
  return element;
}

function putInOrder(holder, element) {
  const order = Number(element.dataset.order);
  const after = $$(":scope > .thing", holder).find((other) => Number(other.dataset.order) > order);
  const focused = document.activeElement === element;
  holder.insertBefore(element, after || null);
  if (focused) element.focus({ preventScroll: true });
}

function drawKiosk(kiosk) {
  const panel = $(`.kiosk[data-id="${kiosk.id}"]`);
  for (const spot of ["pad", "card", "scanner"]) drawIll($(`.${spot}`, panel), kiosk.faults[spot]);
  drawIll($(".glass", panel), kiosk.faults.printer && `printer: ${kiosk.faults.printer}`);
  $(".lamp.ok", panel).classList.toggle("on", kiosk.sound_ok);
  $(".lamp.problem", panel).classList.toggle("on", kiosk.sound_problem);
  const slip = $(".slip", panel);
  slip.hidden = !kiosk.slip;
  const text = (kiosk.slip || []).join("\n");
  $("pre", slip).textContent = text;
  $("pre", slip).hidden = Boolean(kiosk.paper);
  const picture = $("img", slip);
  picture.hidden = !kiosk.paper;
  picture.alt = text;
  if (kiosk.paper && picture.getAttribute("src") !== kiosk.paper) picture.src = kiosk.paper;
}

function drawGate(gate) {
  const panel = $(`.gate[data-id="${gate.id}"]`);
  panel.classList.toggle("alarm", gate.siren);
  $(".siren b", panel).textContent = gate.siren ? "ALARM" : "quiet";
  $(".lamp.amber", panel).classList.toggle("on", gate.lamp_amber);
  $(".lamp.amber", panel).title = `Amber lamp ${gate.lamp_amber ? "on" : "off"}`;
  $(".lamp.red", panel).classList.toggle("on", gate.lamp_red);
  $(".lamp.red", panel).title = `Red lamp ${gate.lamp_red ? "on" : "off"}`;
  for (const lane of gate.lanes) {
    const row = $(`.lane[data-id="${lane.id}"]`, panel);
    const passage = $(".passage", row);
    drawIll(passage, lane.fault);
    passage.classList.toggle("out", lane.walking === "out");
    passage.classList.toggle("in", lane.walking === "in");
    $(".beam.inner", row).classList.toggle("broken", lane.beam_inner);
    $(".beam.outer", row).classList.toggle("broken", lane.beam_outer);
    for (const thing of $$(".thing", row)) thing.classList.toggle("carried", lane.carried.includes(thing.dataset.key));
    for (const button of $$(".walk", row)) button.disabled = Boolean(lane.walking);
  }
  wail(state.gates.some((one) => one.siren));
}

// What fails is red and says so; a word stands where the eye is.
function drawIll(element, fault) {
  element.classList.toggle("ill", Boolean(fault));
  if (fault) element.dataset.ill = fault.replaceAll("_", " ");
  else delete element.dataset.ill;
}

function drawPlug(plug) {
  const select = $(`.plug[data-plug="${plug.id}"] select`);
  if (!select) return;
  select.dataset.state = plug.state;
  if (document.activeElement !== select || select.value !== plug.state) select.value = plug.state;
}

function drawLog(lines) {
  const list = $("#log ol");
  const last = Number(list.firstElementChild?.dataset.n || 0);
  for (const line of lines.filter((one) => one.n > last)) {
    const row = document.createElement("li");
    row.dataset.n = line.n;
    row.classList.toggle("bad", line.text.startsWith("siren on"));
    const at = document.createElement("time");
    at.textContent = new Date(line.at).toLocaleTimeString([], { hour12: false });
    const where = document.createElement("em");
    where.textContent = labels.get(line.station) || line.station;
    row.append(at, ...(line.station ? [where] : []), line.text);
    list.prepend(row);
  }
  while (list.children.length > 100) list.lastElementChild.remove();
}

// Things that moved glide from where they were, so that the eye can follow.
function glide(before) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const [key, element] of things) {
    const was = before.get(key);
    const is = element.getBoundingClientRect();
    if (!was || !was.width || Math.hypot(was.x - is.x, was.y - is.y) < 30) continue;
    const from = `translate(${was.x - is.x}px, ${was.y - is.y}px)`;
    element.animate([{ transform: from }, { transform: "none" }], { duration: 260, easing: "ease-out" });
  }
}

// One tab stop for each group of things; arrows move within it.
function keepOneTabStop() {
  for (const group of $$(".things")) {
    const members = $$(":scope > .thing", group);
    const current = members.find((one) => one === document.activeElement)
      || members.find((one) => one.tabIndex === 0) || members[0];
    for (const member of members) member.tabIndex = member === current ? 0 : -1;
  }
}

// --- hands ----------------------------------------------------------------------------------

function pick(key, only = false) {
  const had = picked.has(key);
  if (only) picked.clear();
  if (had && !only) picked.delete(key); else picked.add(key);
  showPicked();
}

function showPicked() {
  for (const [key, element] of things) element.setAttribute("aria-pressed", String(picked.has(key)));
  document.body.classList.toggle("picking", picked.size > 0);
  $("#look").hidden = picked.size !== 1;
  if (state) draw(state);
}

function letGo() {
  picked.clear();
  silenceHint = 0;
  showPicked();
}

function put(keys, name) {
  letGo();
  if (name.startsWith("scan:")) {
    for (const key of keys) post("scan", { kiosk: name.slice(5), code: key });
    return;
  }
  post("move", { keys, place: name });
}

function walk(gate, lane, direction) {
  const keys = [...picked];
  letGo();
  post("walk", { gate, lane, direction, keys });
}

document.addEventListener("click", (event) => {
  if (dragging.justEnded) { dragging.justEnded = false; return; }
  const thing = event.target.closest(".thing");
  const zone = event.target.closest(".zone");
  if (thing) return pick(thing.dataset.key);
  if (event.target.closest("a, select, label, button:not(.drop)")) return;
  if (zone && picked.size) return put([...picked], zone.dataset.place);
  if (picked.size && !zone) letGo();
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("select, input") || $("dialog[open]") || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Escape") return letGo();
  const thing = event.target.closest(".thing");
  if (thing && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const next = event.key === "ArrowRight" ? thing.nextElementSibling : thing.previousElementSibling;
    if (next?.classList.contains("thing")) next.focus();
    keepOneTabStop();
    return event.preventDefault();
  }
  if (event.key.toLowerCase() === "i" && picked.size === 1) return lookAtThing([...picked][0]);
  const zone = picked.size && event.key.length === 1
    && $(`.zone[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (zone) { put([...picked], zone.dataset.place); event.preventDefault(); }
});

// Dragging is for mouse and pen; a finger scrolls, so a finger taps and taps again.
const dragging = { key: null, ghost: null, x: 0, y: 0, justEnded: false };

document.addEventListener("pointerdown", (event) => {
  const thing = event.target.closest(".thing");
  dragging.justEnded = false;
  if (!thing || event.pointerType === "touch" || event.button !== 0) return;
  Object.assign(dragging, { key: thing.dataset.key, x: event.clientX, y: event.clientY });
});

document.addEventListener("pointermove", (event) => {
  if (!dragging.key) return;
  const far = Math.hypot(event.clientX - dragging.x, event.clientY - dragging.y) > DRAG_AFTER_PX;
  if (!dragging.ghost && far) startDrag();
  if (!dragging.ghost) return;
  dragging.ghost.style.left = `${event.clientX - 24}px`;
  dragging.ghost.style.top = `${event.clientY - 32}px`;
  const over = document.elementFromPoint(event.clientX, event.clientY)?.closest(".zone");
  for (const zone of $$(".zone.over")) if (zone !== over) zone.classList.remove("over");
  over?.classList.add("over");
  event.preventDefault();
});

function startDrag() {
  if (!picked.has(dragging.key)) pick(dragging.key, true);
  const element = things.get(dragging.key);
  const ghost = element.cloneNode(true);
  ghost.classList.add("ghost");
  ghost.removeAttribute("aria-pressed");
  document.body.append(ghost);
  document.body.classList.add("dragging");
  for (const key of picked) things.get(key).classList.add("dragged");
  dragging.ghost = ghost;
}

function endDrag(event) {
  const { ghost } = dragging;
  dragging.key = null;
  if (!ghost) return;
  ghost.remove();
  dragging.ghost = null;
  dragging.justEnded = true;
  document.body.classList.remove("dragging");
  for (const element of $$(".dragged")) element.classList.remove("dragged");
  for (const zone of $$(".zone.over")) zone.classList.remove("over");
  const over = event && document.elementFromPoint(event.clientX, event.clientY)?.closest(".zone");
  if (over) put([...picked], over.dataset.place); else letGo();
}

document.addEventListener("pointerup", endDrag);
document.addEventListener("pointercancel", () => endDrag(null));
document.addEventListener("dragstart", (event) => event.preventDefault());
$("#shut").onclick = () => $("#big").close();
$("#big").addEventListener("close", () => { $("#big iframe").src = "about:blank"; });
$("#look").onclick = () => lookAtThing([...picked][0]);
for (const button of $$(".all")) {
  button.onclick = () => {
    for (const thing of $$(".thing", button.closest(".zone"))) picked.add(thing.dataset.key);
    showPicked();
  };
}
$("#home").onclick = () => { letGo(); post("home", {}); };

// --- sound ----------------------------------------------------------------------------------

let audio = null;
let tone = null;

function wail(on) {
  if (!$("#sound").checked || !on) {
    tone?.stop();
    tone = null;
    return;
  }
  if (tone) return;
  audio ||= new AudioContext();
  tone = audio.createOscillator();
  const gain = audio.createGain();
  gain.gain.value = 0.06;
  tone.type = "square";
  for (let step = 0; step < 120; step += 1) {
    tone.frequency.setValueAtTime(step % 2 ? 660 : 880, audio.currentTime + step * 0.28);
  }
  tone.connect(gain).connect(audio.destination);
  tone.start();
}

listen();
