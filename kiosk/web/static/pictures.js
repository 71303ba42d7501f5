// Pictures drawn by hand in SVG, so that the kiosk needs no image files and no network.
const SVG = "http://www.w3.org/2000/svg";

function drawing(source, name) {
  const template = document.createElement("template");
  template.innerHTML = `<svg xmlns="${SVG}" ${source}</svg>`;
  const node = template.content.firstElementChild;
  if (name) { node.setAttribute("role", "img"); node.setAttribute("aria-label", name); }
  else node.setAttribute("aria-hidden", "true");
  return node;
}

export function tick(size) {
  const node = drawing(`class="mark tick" viewBox="0 0 48 48"><circle cx="24" cy="24" r="22"/><path d="M13.500 25l7.500 7.500L35 17"/>`);
  if (size) { node.style.width = size; node.style.height = size; }
  return node;
}

export function cover(title, author) {
  const node = document.createElement("div");
  node.className = "cover";
  node.setAttribute("aria-hidden", "true");
  let hue = 7;
  for (const letter of title) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  node.style.setProperty("--hue", hue);
  for (const [kind, words] of [["on", title], ["by", author]]) {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = words || (kind === "on" ? "?" : "");
    node.append(span);
  }
  return node;
}

export function pile() {
  return drawing(`viewBox="0 0 240 150"><g><rect x="34" y="104" width="172" height="24" rx="4" fill="#14538a"/><rect x="34" y="110" width="160" height="12" fill="#fff" opacity=".85"/><rect x="52" y="78" width="150" height="24" rx="4" fill="#d98a29"/><rect x="64" y="84" width="138" height="12" fill="#fff" opacity=".85"/><rect x="40" y="52" width="140" height="24" rx="4" fill="#0b6e5b"/><rect x="40" y="58" width="128" height="12" fill="#fff" opacity=".85"/></g>`);
}

export function scene() {
  return drawing(`class="scene" viewBox="0 0 460 400">
    <ellipse class="wave" cx="210" cy="312" rx="190" ry="46" fill="none" stroke="#14538a" stroke-width="3"/>
    <ellipse cx="210" cy="330" rx="196" ry="44" fill="#1d2428" opacity=".10"/>
    <path d="M30 300h360l24 34a12 12 0 0 1-10 18H16a12 12 0 0 1-10-18z" fill="#2c363c"/>
    <path d="M44 306h332l16 24H28z" fill="#3e4b53"/>
    <g class="book"><path d="M92 260h214a4 4 0 0 1 0 8H92v30h214a4 4 0 0 1 0 8H92a23 23 0 0 1 0-46z" fill="#14538a"/><path d="M92 268h202v30H92a15 15 0 0 1 0-30z" fill="#fffdf7"/><path d="M96 278h198M96 288h198" stroke="#d9d3c6" stroke-width="2"/></g>
    <g class="book two"><path d="M112 214h172a4 4 0 0 1 0 8H112v30h172a4 4 0 0 1 0 8H112a23 23 0 0 1 0-46z" fill="#d98a29"/><path d="M112 222h160v30H112a15 15 0 0 1 0-30z" fill="#fffdf7"/><path d="M116 232h156M116 242h156" stroke="#d9d3c6" stroke-width="2"/></g>
    <g class="card"><rect x="318" y="176" width="128" height="82" rx="12" fill="#0b6e5b"/><rect x="332" y="194" width="34" height="26" rx="5" fill="#e9c46a"/><path d="M332 236h72M332 246h48" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity=".85"/><circle cx="418" cy="206" r="12" fill="#fff" opacity=".9"/></g>
    <g class="ok"><circle cx="330" cy="120" r="38" fill="#0b6e5b"/><path d="M312 121l13 13 24-26" fill="none" stroke="#fff" stroke-width="9" stroke-linecap="round" stroke-linejoin="round"/></g>`);
}
