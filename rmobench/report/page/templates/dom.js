// The page's parts, made from data. Texts are set as texts, never as markup.

const find = (id) => document.getElementById(id);

// The page's data: JSON, gzipped, in base64.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

const data = await unpacked(find("data").textContent);

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// A sheet as a table with a caption; the first `words` columns are words, the column `named` names the row.
function table(sheet, named = 0) {
  const kind = (i) => (i >= sheet.words ? "figure" : "");
  const head = make("tr", {}, ...sheet.head.map((name, i) => make("th", { scope: "col", className: kind(i) }, name)));
  const rows = sheet.rows.map((row) => make("tr", {}, ...row.map((cell, i) =>
    i === named ? make("th", { scope: "row" }, cell)
      : make("td", { className: kind(i) || (cell.length > 40 ? "words" : "") }, cell))));
  const whole = make("table", {}, make("caption", {}, sheet.title), make("thead", {}, head), make("tbody", {}, ...rows));
  const region = make("div", { className: "scroll", tabIndex: 0 }, whole);
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", sheet.title);
  return region;
}

function fill(select, values, said = (value) => value) {
  const before = select.value;
  select.replaceChildren(...values.map((value) => make("option", { value }, said(value))));
  if (values.includes(before)) select.value = before;
}

// Draw when the element comes near the screen, and again whenever it is asked to.
const waiting = new Map();
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting && waiting.has(target)) {
      const draw = waiting.get(target);
      waiting.delete(target);
      watcher.unobserve(target);
      draw();
    }
  }
}, { rootMargin: "400px" });

function lazily(element, draw) {
  watcher.unobserve(element);
  waiting.set(element, draw);
  watcher.observe(element);
}

// Fill a <details> when it is opened, and again while it is open.
function whenOpen(inside, fillIt) {
  const details = inside.closest("details");
  inside.replaceChildren();
  details.ontoggle = () => { if (details.open && !inside.hasChildNodes()) fillIt(); };
  if (details.open) fillIt();
}
