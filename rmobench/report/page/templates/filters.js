// Which board is shown. A combination of filters that has no records cannot be chosen.

const FILTERS = ["suite", "family", "ruleset", "precision", "axis"];
const NAMES = { all: "all", step: "steps", n_grad: "oracle calls", time_s: "seconds" };
const ORDER = {
  ruleset: ["all", "defaults", "tuned", "settings"],
  precision: ["fp64", "fp32", "tf32", "bf16-amp", "fp16", "bf16"],
  axis: ["n_grad", "step", "time_s"],
};
const keys = Object.keys(data.index).map((key) => key.split("|"));

function sorted(name, values) {
  const order = ORDER[name] ?? [data.all];
  const place = (value) => (order.includes(value) ? order.indexOf(value) : order.length);
  return [...values].sort((a, b) => place(a) - place(b) || (a < b ? -1 : a > b ? 1 : 0));
}

// Offer in each filter what has records under the filters before it.
function offer() {
  let left = keys;
  FILTERS.forEach((name, i) => {
    const select = find(`filter-${name}`);
    fill(select, sorted(name, new Set(left.map((key) => key[i]))), (value) => NAMES[value] ?? value);
    left = left.filter((key) => key[i] === select.value);
  });
}

const chosen = () => Object.fromEntries(FILTERS.map((name) => [name, find(`filter-${name}`).value]));
const current = () => data.boards[data.index[FILTERS.map((name) => find(`filter-${name}`).value).join("|")]];

function showBoard() {
  const board = current();
  const [first, ...spent] = board.sheets;
  find("said").textContent = board.said;
  find("board-title").textContent = board.title;
  find("board-notes").hidden = board.notes.length === 0;
  find("board-notes").replaceChildren(...board.notes.map((note) => make("li", {}, note)));
  find("board").replaceChildren(table(first, 1));
  whenOpen(find("spending-tables"), () => find("spending-tables").replaceChildren(...spent.map((sheet) => table(sheet))));
  whenOpen(find("erts-table"), () => find("erts-table").replaceChildren(table(erts(board))));
  find("ended").replaceChildren(...(board.ended ? [table(board.ended)]
    : [make("p", {}, "Every trial of this board solved its task or spent its budget.")]));
}

function erts(board) {
  const names = Object.keys(board.erts);
  const tasks = board.tasks.slice(0, board.n_listed);
  const rest = board.tasks.length - tasks.length;
  return {
    title: "ERT by task" + (rest ? `; ${rest} more: rmobench leaderboard --per-task` : ""),
    head: ["task", ...names],
    rows: tasks.map((task, i) => [task, ...names.map((name) => board.erts[name][i])]),
    words: 1,
  };
}
