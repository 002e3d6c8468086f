// The figures, drawn from the shares and medians that are in the data.

const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"];
const DASHES = ["solid", "dash", "dot"];
const SYMBOLS = ["circle", "diamond", "square"];
const SHOWN = 6;

// Every optimizer keeps its colour and its dash whatever is filtered; the first of the first board differ most.
const everybody = [...new Set(data.boards.flatMap((board) => board.ecdf.curves.map((curve) => curve[0])))];
const number = new Map(everybody.map((name, i) => [name, i]));
const colour = (name) => PALETTE[(number.get(name) ?? 7) % PALETTE.length];
const variant = (name) => Math.floor((number.get(name) ?? 0) / PALETTE.length) % DASHES.length;
const faded = (hex) => `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},0.15)`;

// One tick a decade, or every few, where an axis spans two or more.
function decades(values) {
  const span = Math.log10(Math.max(...values) / Math.min(...values));
  return span >= 2 ? { dtick: Math.ceil(span / 8) } : {};
}

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function layout(x, y, more = {}) {
  const axis = (own) => ({
    gridcolor: css("--line"), linecolor: css("--faint"), zerolinecolor: css("--line"), automargin: true,
    exponentformat: "power", ...own, title: { text: own.title, standoff: 8 },
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--text"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 56, r: 16, t: 12, b: 48 }, xaxis: axis(x), yaxis: axis(y),
    legend: { orientation: "h", y: -0.22, yanchor: "top", itemclick: false, itemdoubleclick: false },
    hovermode: "closest", ...more,
  };
}

function plot(id, traces, arrangement, said) {
  const element = find(`${id}-plot`);
  find(`${id}-said`).textContent = said;
  lazily(element, () => {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", said);
    Plotly.react(element, traces, arrangement, { displayModeBar: false, responsive: true });
  });
}

// --- which optimizers ---------------------------------------------------------------------------------

let ticked = null;
const isShown = (name) => ticked.has(name);

function offerOptimizers(redraw) {
  const names = current().ecdf.curves.map((curve) => curve[0]);
  const kept = names.filter((name) => ticked?.has(name));
  ticked = new Set(kept.length ? kept : names.slice(0, SHOWN));
  find("shown").replaceChildren(find("shown").querySelector("legend"), ...names.map((name) => {
    const box = make("input", { type: "checkbox", checked: ticked.has(name), value: name });
    box.onchange = () => { box.checked ? ticked.add(name) : ticked.delete(name); redraw(); };
    return make("label", {}, box, swatch(name), name);
  }));
}

function swatch(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  const set = (element, values) => Object.entries(values).forEach(([key, value]) => element.setAttribute(key, value));
  set(svg, { width: 28, height: 8, "aria-hidden": "true" });
  set(line, { x1: 0, x2: 28, y1: 4, y2: 4, stroke: colour(name), "stroke-width": 3,
    "stroke-dasharray": ["none", "8 4", "3 3"][variant(name)] });
  svg.append(line);
  return svg;
}

// --- curves with bands --------------------------------------------------------------------------------

function banded(name, x, middle, low, high, shape) {
  const own = { x, legendgroup: name, line: { shape, width: 0 }, hoverinfo: "skip", showlegend: false, mode: "lines" };
  const band = [{ ...own, y: low }, { ...own, y: high, fill: "tonexty", fillcolor: faded(colour(name)) }];
  return [
    ...(low.every((y) => y === 0) && high.every((y) => y === 1) ? [] : band), // of one task: all of [0, 1], says nothing
    { x, y: middle, name, legendgroup: name, mode: "lines", hovertemplate: "%{x:.3g}: %{y:.3g}",
      line: { shape, width: 2, color: colour(name), dash: DASHES[variant(name)] } },
  ];
}

const share = (values) => values.map((value) => value / 1000);
const percent = (value) => Math.round(value / 10);

function drawShares(id, x, what, points, words) {
  const { x: grid, curves } = current()[id];
  const mine = curves.filter((curve) => isShown(curve[0]));
  const traces = mine.flatMap(([name, middle, low, high]) =>
    banded(name, grid, share(middle), share(low), share(high), "hv"));
  const arrangement = layout(x, { title: "share reached", range: [0, 1.02] });
  plot(id, traces, arrangement, `${what} of ${mine.map((curve) => curve[0]).join(", ") || "nobody: tick some"}.`);
  const at = points.map((point) => grid.findLastIndex((value) => value <= point * 1.01));
  whenOpen(find(`${id}-table`), () => find(`${id}-table`).replaceChildren(table({
    title: `${what}, per cent [low, high]`,
    head: ["optimizer", ...points.map(words)],
    rows: curves.map(([name, middle, low, high]) => [name, ...at.map((i) =>
      i < 0 ? "" : `${percent(middle[i])} [${percent(low[i])}, ${percent(high[i])}]`)]),
    words: 1,
  })));
}

function drawEcdf() {
  const title = `${NAMES[chosen().axis]} / budget`;
  drawShares("ecdf", { title, type: "log", exponentformat: "power", dtick: 1 }, "Share of (task, rung, seed) reached",
    [0.001, 0.01, 0.1, 0.3163, 1], (point) => `${Number((100 * point).toPrecision(2))} % of the budget`);
}

function drawProfile() {
  const x = { title: "factor of the best ERT", type: "log", tickvals: [1, 1.5, 2, 3, 4] };
  drawShares("profile", x, "Share of tasks within a factor", [1, 1.4142, 2, 2.8284, 4],
    (factor) => `× ${Number(factor.toPrecision(2))}`);
}

// --- memory against time ------------------------------------------------------------------------------

function drawMemory() {
  const mine = current().spent.filter(([name, time, state]) => isShown(name) && time !== null && state !== null);
  const bytes = ([, , state, , model]) => state + (model ?? 0);
  const traces = mine.map((row) => ({
    x: [row[1]], y: [Math.max(bytes(row), 1)], name: row[0], mode: "markers", type: "scatter",
    marker: { size: 12, color: colour(row[0]), symbol: SYMBOLS[variant(row[0])], line: { width: 1, color: css("--text") } },
    hovertemplate: `${row[0]}: %{x:.3s}s, %{y:.3s}B<extra></extra>`,
  }));
  const arrangement = layout(
    { title: "seconds per step", type: "log", exponentformat: "SI", ticksuffix: "s", ...decades(mine.map((row) => row[1])) },
    { title: "bytes kept (nothing: 1)", type: "log", exponentformat: "SI", ticksuffix: "B",
      ...decades(mine.map((row) => Math.max(bytes(row), 1))) });
  plot("memory", traces, arrangement, `Bytes kept between steps against seconds per step: ${
    mine.map(([name]) => name).join(", ") || "nobody: tick some"}.`);
}

// --- the course of trials -----------------------------------------------------------------------------

function offerTasks() {
  const { family, precision } = chosen();
  const axis = courseAxis();
  const there = Object.keys(data.courses[axis]?.[precision] ?? {});
  const mine = new Set(current().tasks);
  fill(find("course-task"), there.filter((task) => mine.has(task)));
}

const courseAxis = () => (data.courses[chosen().axis] ? chosen().axis : "n_grad");

function drawCourses() {
  const axis = courseAxis();
  const task = data.courses[axis]?.[chosen().precision]?.[find("course-task").value];
  const lines = Object.entries(task?.by ?? {});
  const mine = lines.filter(([name]) => isShown(name));
  const positive = lines.every(([, [, ...ys]]) => ys.every((y) => y.every((value) => value === null || value > 0)));
  const start = Math.min(...mine.map(([, [cost]]) => cost.find((value) => value > 0) ?? 1));
  const from = (cost) => cost.map((value) => Math.max(value, start / 2));
  const traces = mine.flatMap(([name, [cost, median, low, high]]) => banded(name, from(cost), median, low, high, "linear"));
  const metric = task?.metric ?? "metric";
  const all = mine.flatMap(([, [, ...ys]]) => ys.flat()).filter((y) => y !== null);
  const arrangement = layout({ title: `${NAMES[axis]} (the start at the left edge)`, type: "log", dtick: 1 },
    { title: metric, type: positive ? "log" : "linear", ...(positive && decades(all)) });
  const said = `${metric} along the trials on ${find("course-task").value}: ${
    mine.map(([name]) => name).join(", ") || "nobody of the ticked ran it"}.`;
  plot("courses", traces, arrangement, said);
  const last = (values) => { const end = values.at(-1); return end === null ? "not finite" : end.toPrecision(3); };
  whenOpen(find("courses-table"), () => find("courses-table").replaceChildren(table({
    title: `${metric} at the end: median [quartiles] over the seeds`,
    head: ["optimizer", NAMES[axis], metric],
    rows: lines.map(([name, [cost, median, low, high]]) =>
      [name, String(cost.at(-1)), `${last(median)} [${last(low)}, ${last(high)}]`]),
    words: 1,
  })));
}

// --- precision ----------------------------------------------------------------------------------------

function drawPrecision() {
  const suite = find("precision-suite")?.value;
  if (!suite) return;
  const map = data.precisions[suite];
  const known = map.penalty.flat().filter((value) => value !== null);
  const top = Math.max(10, ...known);
  const logs = map.penalty.map((row) => row.map((value) => (value === null ? null : Math.log10(Math.max(value, 1)))));
  const hover = map.text.map((row, i) => row.map((text, j) => `${map.optimizers[i]}, ${map.precisions[j]}: ${
    text || "not run"}${map.failed[i][j] ? `<br>${map.failed[i][j]}` : ""}`));
  const ticks = [1, 2, 5, 10, 20, 50, 100, 1000, 10000].filter((value) => value <= top);
  const trace = {
    type: "heatmap", x: map.precisions, y: map.optimizers, z: logs, zmin: 0, zmax: Math.log10(top), xgap: 2, ygap: 2,
    colorscale: [[0, "#fff7dc"], [0.35, "#fdc26b"], [0.7, "#e8601c"], [1, "#8f1a1a"]],
    text: hover, hovertemplate: "%{text}<extra></extra>",
    colorbar: { title: { text: "penalty" }, tickvals: ticks.map(Math.log10), ticktext: ticks.map(String), thickness: 14 },
  };
  const notes = map.text.flatMap((row, i) => row.map((text, j) => ({
    x: map.precisions[j], y: map.optimizers[i], text, showarrow: false,
    font: { size: 12, color: logs[i][j] === null ? css("--text") : logs[i][j] > 0.7 * Math.log10(top) ? "#ffffff" : "#1b1f24" },
  })));
  const arrangement = layout({ title: "", type: "category", side: "top", showgrid: false },
    { title: "", type: "category", autorange: "reversed", showgrid: false, dtick: 1 }, { annotations: notes });
  arrangement.margin.t = 40;
  find("precision-plot").style.height = `${Math.max(14, 5 + 1.75 * map.optimizers.length)}rem`;
  plot("precision", [trace], arrangement, map.title);
  whenOpen(find("precision-tables"), () => find("precision-tables").replaceChildren(
    ...map.sheets.map((sheet) => table(sheet)), ...map.footnotes.map((line) => make("p", { className: "fine" }, line))));
}
