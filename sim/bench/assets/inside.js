// Looking inside: a tag's memory, what a device was asked, what its pins did. Asked for twice a
// second while the dialog is open; the server holds the truth here, too.

const EVERY_MS = 500;
const CHART_MS = 15000;
const FAULT_WORDS = { off: "off: no power", stuck: "stuck", garbage: "garbage", wrong: "wrong",
  slow: "slow", delayed: "delayed", intermittent: "intermittent", paper_out: "paper out" };
const SECURITY = { in_stock: "in stock: a gate may sound", on_loan: "on loan: a gate stays quiet", none: "nothing a gate understands" };

const dialog = document.querySelector("#inside");
const body = dialog.querySelector(".content");
let looking = "";
let timer = null;

export function lookAtThing(key) { open(`thing=${encodeURIComponent(key)}`); }
export function lookAtStation(station) { open(`station=${encodeURIComponent(station)}`); }

function open(query) {
  looking = query;
  body.replaceChildren();
  if (!dialog.open) dialog.showModal();
  look();
}

async function look() {
  clearTimeout(timer);
  if (!dialog.open) return;
  const asked = looking;
  try {
    const answer = await fetch(`/api/look?${asked}`);
    const seen = await answer.json();
    if (asked === looking && answer.ok) draw(seen);
    else if (!answer.ok) body.textContent = seen.error;
  } catch {
    body.textContent = "The bench does not answer. Is it still running?";
  }
  timer = setTimeout(look, EVERY_MS);
}

function draw(seen) {
  if (document.activeElement?.tagName === "SELECT" && body.contains(document.activeElement)) return;
  const top = body.scrollTop;
  dialog.querySelector("h2").textContent = seen.title || `Inside ${seen.label}`;
  body.replaceChildren(...(seen.devices ? seen.devices.map(drawDevice) : drawThing(seen)));
  body.scrollTop = top;
}

function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// --- a tag ----------------------------------------------------------------------------------

function drawThing(thing) {
  const tag = thing.tag;
  if (!tag) return [make("p", "", "Nobody has put a tag into this one: it is lent by its label.")];
  const rows = [["UID", tag.uid], ["Chip", tag.model], ["Says", SECURITY[tag.security]]];
  if (tag.afi !== null) rows.push(["AFI", tag.afi + (tag.afi_locked ? " (locked)" : "")], ["DSFID", tag.dsfid], ["EAS", tag.eas ? "on" : "off"]);
  for (const [name, value] of Object.entries(tag.content || {})) if (value !== "") rows.push([name, String(value)]);
  const facts = make("dl", "facts");
  for (const [name, value] of rows) facts.append(make("dt", "", name), make("dd", "", value));
  const lines = tag.blocks.map((block) => make("tr", block.hex.replaceAll(/[0 ]/g, "") ? "" : "blank",
    make("th", "", String(block.n)), make("td", "hex", block.hex), make("td", "hex", block.text),
    make("td", "", block.says + (block.locked ? " (locked)" : ""))));
  const head = make("tr", "", ...["Block", "Bytes", "Text", "Holds"].map((word) => make("th", "", word)));
  const memory = make("table", "memory", make("thead", "", head), make("tbody", "", ...lines));
  const past = make("p", "past", tag.history.length ? `It was ${tag.history.join(", ")}.` : "Nothing has happened to it yet.");
  return [facts, tag.problem ? make("p", "torn", tag.problem) : null, past, memory].filter(Boolean);
}

// --- devices --------------------------------------------------------------------------------

function drawDevice(device) {
  const name = make("h3", "", device.name.split("/").slice(1).join(" ").replaceAll("_", " "));
  const section = make("section", `device ${device.fault ? "failing" : ""}`, make("header", "", name, drawFault(device)));
  section.dataset.device = device.name;
  if (device.changes) section.append(drawPin(device));
  else section.append(drawLines(device.lines));
  return section;
}

function drawFault(device) {
  if (!device.faults.length) return null;
  const select = make("select", "");
  select.setAttribute("aria-label", `Fault of ${device.name}`);
  select.append(new Option("works", ""));
  for (const fault of device.faults) select.append(new Option(FAULT_WORDS[fault] || fault, fault));
  select.value = device.fault || "";
  select.onchange = async () => {
    await fetch("/api/fault", { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ device: device.name, fault: select.value || null }) });
    select.blur();
    look();
  };
  return select;
}

function drawLines(lines) {
  if (!lines.length) return make("p", "past", "Nobody has asked it anything yet.");
  const list = make("ol", "bus");
  for (const line of lines.slice(-120).reverse()) {
    const times = line.count > 1 ? make("em", "", ` × ${line.count}`) : null;
    list.append(make("li", "", make("time", "", ago(line.ago_ms)), make("span", "", line.text), times));
  }
  return list;
}

function ago(ms) {
  return ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : ms < 120000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60000)} min`;
}

// The level over the last fifteen seconds, now at the right.
function drawPin(device) {
  const x = (agoMs) => 300 - Math.min(agoMs, CHART_MS) / CHART_MS * 300;
  const y = (level) => (level ? 5 : 25);
  const recent = device.changes.filter(([agoMs]) => agoMs <= CHART_MS);
  let level = recent.length ? !recent[0][1] : device.level;
  let path = `M0 ${y(level)}`;
  for (const [agoMs, next] of recent) { path += ` H${x(agoMs)} V${y(next)}`; level = next; }
  path += " H300";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 300 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const word = device.kind === "output" ? (device.level ? "on" : "off") : (device.level ? "broken or pressed" : "free");
  svg.setAttribute("aria-label", `${device.name} over the last 15 seconds; now ${word}`);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  line.setAttribute("class", device.level ? "high" : "low");
  svg.append(line);
  return make("div", "pin", svg, make("b", "", word));
}

dialog.querySelector(".shut").onclick = () => dialog.close();
dialog.addEventListener("close", () => { looking = ""; clearTimeout(timer); });
