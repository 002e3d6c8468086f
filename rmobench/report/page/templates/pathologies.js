// Hits of all trials by optimizer and pathology: the colour repeats the number.

function drawPathologies() {
  const select = find("ill-precision");
  if (!select) return;
  const { names, by_precision: matrices } = data.pathologies;
  const cells = matrices[select.value];
  const region = table({
    title: `Hits / trials at ${select.value}; hover or focus for the interval of the rate`,
    head: ["optimizer", ...names.map(([name]) => name)],
    rows: cells.map(([name, ...found]) => [name, ...found.map((cell) => (cell ? `${cell[0]}/${cell[1]}` : "not run"))]),
    words: 1,
  });
  region.querySelectorAll("thead th").forEach((th, i) => {
    if (i) th.append(make("br"), make("span", { className: "fine" }, names[i - 1][1]));
  });
  region.querySelectorAll("tbody tr").forEach((row, i) => row.querySelectorAll("td").forEach((td, j) => {
    const cell = cells[i][j + 1];
    if (!cell) return;
    td.style.background = `rgba(var(--hit), ${0.45 * cell[0] / cell[1]})`;
    td.title = `${Math.round(100 * cell[0] / cell[1])} % [${cell[2]}, ${cell[3]}]`;
  }));
  find("ill-table").replaceChildren(region);
}
