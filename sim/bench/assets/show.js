// A scenario as it is played: its steps, how far it is, and what was seen when one failed.

const WORDS = { playing: "Playing…", done: "It went as it is written.", stopped: "Stopped.", failed: "It went otherwise." };
const MARKS = { done: "✓", now: "▸", failed: "✗", later: "" };

const panel = document.querySelector("#show");
const choice = document.querySelector("#scenario");
let drawn = "";
let closed = "";

export function drawShow(state, post) {
  if (!state.scenarios) return;
  if (choice.hidden) build(state, post);
  const show = state.show;
  const told = JSON.stringify(show);
  const key = show ? show.name + show.state : "";
  if (!drawn && show && show.state !== "playing") closed = key; // over before this page was open
  panel.hidden = !show || key === closed;
  choice.disabled = show?.state === "playing";
  if (!show || told === drawn) return;
  drawn = told;
  if (show.state === "playing") closed = "";
  panel.dataset.state = show.state;
  panel.querySelector("h2").textContent = show.title;
  const end = panel.querySelector(".end");
  end.textContent = show.state === "playing" ? "Stop" : "Close";
  end.onclick = () => {
    if (show.state === "playing") return post("play", { scenario: null });
    closed = key;
    panel.hidden = true;
  };
  panel.querySelector("ol").replaceChildren(...show.steps.map((text, n) => drawStep(text, stateOf(show, n))));
  panel.querySelector("p").textContent = [WORDS[show.state], show.said].filter(Boolean).join(" ");
  panel.querySelector(".now, .failed")?.scrollIntoView({ block: "nearest" });
}

function build(state, post) {
  choice.append(...state.scenarios.map((name) => new Option(name.replaceAll("_", " "), name)));
  choice.hidden = false;
  choice.onchange = () => {
    closed = "";
    if (choice.value) post("play", { scenario: choice.value });
    choice.value = "";
    choice.blur();
  };
}

function stateOf(show, n) {
  if (n < show.played) return "done";
  if (n > show.played || show.state === "stopped") return "later";
  return show.state === "failed" ? "failed" : "now";
}

function drawStep(text, state) {
  const line = document.createElement("li");
  line.className = state;
  const mark = document.createElement("i");
  mark.textContent = MARKS[state];
  line.append(mark, text);
  return line;
}
