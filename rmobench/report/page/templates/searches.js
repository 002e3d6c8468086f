// The expected best of k settings, from the data.

const KINDS = { once: "for all tasks", by_task: "for every task" };

function drawSearches() {
  const kind = find("search-kind").value;
  const traces = data.searches.map((search) => ({
    x: search.k, y: search[kind], name: search.optimizer, mode: "lines+markers",
    line: { color: colour(search.optimizer), dash: DASHES[variant(search.optimizer)], width: 2 },
  }));
  const arrangement = layout({ title: "settings tried", type: "log", tickvals: [1, 2, 4, 8, 16] },
    { title: "oracle calls", type: "log", ...decades(data.searches.flatMap((search) => search[kind])) });
  plot("search", traces, arrangement, `Expected calls after k settings, one ${KINDS[kind]}: ${
    data.searches.map((search) => search.optimizer).join(", ")}.`);
  const counts = [...new Set(data.searches.flatMap((search) => search.k))].sort((a, b) => a - b);
  whenOpen(find("search-table"), () => find("search-table").replaceChildren(table({
    title: `Expected calls after k settings, one ${KINDS[kind]}`,
    head: ["optimizer", "tasks", "settings", ...counts.map((k) => `k = ${k}`)],
    rows: data.searches.map((search) => [search.optimizer, String(search.n_tasks), String(search.n_settings),
      ...counts.map((k) => (search.k.includes(k) ? search[kind][search.k.indexOf(k)].toPrecision(3) : ""))]),
    words: 1,
  })));
}

function offerSearches() {
  if (!find("search-kind")) return;
  fill(find("search-kind"), Object.keys(KINDS), (kind) => KINDS[kind]);
  find("search-kind").onchange = drawSearches;
  drawSearches();
}
