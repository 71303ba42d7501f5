// Keeps "12 s ago" true between two pictures, and says so when the gateway is out of reach.
(() => {
  "use strict";
  let offset = 0; // gateway's clock minus this browser's
  const units = [[10, 1, "s", 1], [60, 1, "s", 0], [3600, 60, "min", 0], [172800, 3600, "h", 0]];

  function ago(then) {
    const seconds = Math.max((Date.now() + offset - then) / 1000, 0);
    if (seconds < 2) return "just now";
    for (const [limit, size, unit, digits] of units) {
      if (seconds < limit) return `${(seconds / size).toFixed(digits)} ${unit} ago`;
    }
    return `${Math.round(seconds / 86400)} days ago`;
  }

  function tick() {
    for (const time of document.querySelectorAll("time[data-ms]")) {
      const then = Number(time.dataset.ms);
      const text = then ? ago(then) : time.textContent;
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function reachable(yes) {
    document.body.classList.toggle("is-live", yes);
    const notice = document.querySelector(".cut");
    if (notice) notice.hidden = yes;
  }

  document.addEventListener("htmx:sseOpen", () => reachable(true));
  document.addEventListener("htmx:sseError", () => reachable(false));
  document.addEventListener("htmx:sseClose", () => reachable(false));
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (event.detail.type === "beat") offset = Number(event.detail.data) - Date.now();
    const open = document.activeElement && document.activeElement.closest(".entry form");
    if (event.detail.type === "review" && open) event.preventDefault(); // someone is choosing
  });
  document.addEventListener("htmx:sseMessage", tick);

  // A building's page asks again instead, and brings the gateway's time with the answer.
  function compare() {
    const part = document.querySelector("[data-now]");
    if (!part) return;
    offset = Number(part.dataset.now) - Date.now();
    tick();
  }
  document.addEventListener("htmx:afterSettle", compare);
  document.addEventListener("htmx:afterRequest", (event) => reachable(event.detail.successful));
  compare();
  setInterval(tick, 1000);
})();
