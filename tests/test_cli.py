"""The program as a user meets it: exit statuses, messages, JSON shapes."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmobench.cli import app
from rmobench.errors import InputError

ROOT = Path(__file__).parents[1]
RUN = [
    "run",
    "--task",
    "rosenbrock[dim=2]",
    "--optimizer",
    "adam[lr=0.1]",
    "--seeds",
    "2",
    "--calls",
    "30",
    "--in-process",
]


def program(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "rmobench", *words], cwd=cwd, capture_output=True, text=True)


def call(*words: object):
    """Run a command in this process; user errors are raised as they are."""
    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize("kind", ["tasks", "optimizers", "suites"])
def test_listings_as_json(kind):
    rows = json.loads(call("list", kind, "--json").stdout)
    assert all({"name", "summary"} <= row.keys() for row in rows)
    if kind == "optimizers":
        adam = next(row for row in rows if row["name"] == "adam")
        assert adam["search"]["lr"] == {"scale": "log", "low": 1e-4, "high": 1.0}
        assert {"family", "needs", "handles", "source", "skip", "defaults", "version"} <= adam.keys()


def test_listing_optimizers_imports_no_optimizer_file():
    code = (
        "import sys; sys.argv = ['rmobench', 'list', 'optimizers', '--json']\n"
        "from rmobench.cli import app\n"
        "app(standalone_mode=False)\n"
        "bad = [m for m in sys.modules if m.startswith(('rmobench.optimizers', 'torch', 'pandas', 'scipy'))]\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["run", "--task", "rosenbruck", "--optimizer", "adam"],
            "no task named 'rosenbruck'. Did you mean 'rosenbrock'",
        ),
        (["run", "--task", "sphere", "--optimizer", "adem"], "no optimizer named 'adem'. Did you mean 'adam'"),
        (["run", "smok"], "no suite named 'smok'. Did you mean 'smoke'"),
        (["run", "--task", "sphere", "--optimizer", "adam", "--precision", "fp65"], "no precision named 'fp65'"),
        (["run"], "got neither a suite nor both --task and --optimizer"),
        (["run", "smoke", "--task", "sphere"], "got a suite and --task"),
        (["run", *RUN[1:], "--shard", "3/2"], "expected i/n with 1 <= i <= n"),
        (["run", *RUN[1:], "--retry", "lost"], "got --retry lost, expected some of solved"),
        (["run", *RUN[1:], "-j", "2"], "--in-process runs one trial at a time"),
        (["run", *RUN[1:], "--data", "h36m"], "got --data h36m, expected NAME=PATH"),
        (["run", *RUN[1:], "--data", "digits=/x"], "got --data digits=..., expected one of h36m"),
        (["leaderboard", "--store", "nowhere"], "nowhere"),
        (["compare", "nowhere", "nowhere"], "nowhere"),
        (["data", "where", "digit"], "no data source named 'digit'. Did you mean 'digits'"),
    ],
)
def test_wrong_input_says_what_was_expected(words, message):
    with pytest.raises(InputError) as caught:
        call(*words)
    assert message in str(caught.value)


def test_wrong_input_exits_with_2_and_no_traceback():
    done = program("run", "--task", "rosenbruck", "--optimizer", "adam")
    assert done.returncode == 2
    assert done.stderr.startswith("rmobench: no task named 'rosenbruck'")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("description = ", "invalid"),
        ('description = "x"', "runs"),
        ('description = "x"\nruns = []', "expected at least one"),
        ('description = "x"\n[[runs]]\ntasks = "sphere"\noptimizers = ["adam"]', "tasks"),
        ('description = "x"\n[[runs]]\ntasks = ["sphere"]\noptimisers = ["adam"]', "optimi"),
        ('description = "x"\n[[runs]]\ntasks = ["sphere"]\noptimizers = ["adam"]\nseeds = 0', "got seeds = 0"),
        ('description = "x"\n[[runs]]\ntasks = ["sphere"]\noptimizers = ["adam"]\nprecisions = ["fp7"]', "fp7"),
        ('description = "x"\n[[runs]]\ntasks = ["sphere["]\noptimizers = ["adam"]', "expected `name`"),
    ],
)
def test_a_bad_suite_is_the_users_mistake(tmp_path, toml, message):
    path = tmp_path / "mine.toml"
    path.write_text(toml)
    with pytest.raises(InputError, match="(?i)" + message):
        call("run", path, "--dry-run")


def test_a_run_ends_with_the_leaderboard_and_is_not_repeated(tmp_path):
    first = json.loads(call(*RUN, "--store", tmp_path, "--json").stdout)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")}
    assert len(stamps) == 2
    assert json.loads(call(*RUN, "--store", tmp_path, "--json").stdout) == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")} == stamps
    call(*RUN, "--store", tmp_path, "--json", "--retry", "budget")
    assert all(p.stat().st_mtime_ns > then for p, then in stamps.items())


def test_a_damaged_record_is_measured_again(tmp_path):
    call(*RUN, "--store", tmp_path, "--json")
    victim = sorted(tmp_path.rglob("*.json"))[0]
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.raises(InputError, match=victim.name):
        call("leaderboard", "--store", tmp_path)
    call(*RUN, "--store", tmp_path, "--json")
    assert call("leaderboard", "--store", tmp_path).exit_code == 0


def test_shards_are_disjoint_and_complete(tmp_path):
    words = ["run", "smoke", "--dry-run", "--json", "--store", tmp_path]
    whole = set(json.loads(call(*words).stdout)["ids"])
    parts = [set(json.loads(call(*words, "--shard", f"{i}/3").stdout)["ids"]) for i in (1, 2, 3)]
    assert set.union(*parts) == whole
    assert sum(map(len, parts)) == len(whole)
    assert all(parts)


def test_a_suite_takes_ones_own_optimizer_too(tmp_path):
    words = ["run", "smoke", "--dry-run", "--json", "--store", tmp_path, "--optimizer", "torch.optim:NAdam[lr=0.1]"]
    labels = {t["label"] for t in json.loads(call(*words).stdout)["trials"]}
    assert {"adam", "torch.optim:NAdam[lr=0.1]"} <= labels


def test_the_smoke_suite_is_as_large_as_promised(tmp_path):
    plan = json.loads(call("run", "smoke", "--dry-run", "--json", "--store", tmp_path).stdout)
    trials = plan["trials"]
    assert len({t["task"] for t in trials}) >= 8
    assert len({t["label"] for t in trials}) >= 10
    assert {t["seed"] for t in trials} == {0, 1, 2}
    assert "pca_digits" in {t["task"] for t in trials}


def test_a_trial_that_cannot_be_built_exits_with_2_and_runs_the_rest(tmp_path):
    words = ["run", "--task", "sphere", "--task", "powell[dim=10]", "--optimizer", "adam", "--seeds", "1"]
    with pytest.raises(InputError, match="1 of 2 trials were refused: powell"):
        call(*words, "--calls", "5", "--in-process", "--store", tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_compare_exits_with_1_only_when_something_got_worse(tmp_path):
    quadratic = [w if w != "rosenbrock[dim=2]" else "sphere[dim=3]" for w in RUN]
    quadratic[quadratic.index("30")] = "300"
    call(*quadratic, "--store", tmp_path / "a", "--json")
    call(*quadratic, "--store", tmp_path / "b", "--json")
    assert program("compare", str(tmp_path / "a"), str(tmp_path / "b")).returncode == 0
    for path in (tmp_path / "b").rglob("*.json"):  # the same trials, each hit half as many calls later
        record = json.loads(path.read_bytes())
        for hit in record["hits"]:
            hit["point"]["n_grad"] = int(1.5 * hit["point"]["n_grad"])
        path.write_text(json.dumps(record))
    worse = program("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert (worse.returncode, "Something got worse" in worse.stdout) == (1, True)
    assert program("compare", str(tmp_path / "b"), str(tmp_path / "a")).returncode == 0


def test_compare_refuses_other_budgets(tmp_path):
    call(*RUN, "--store", tmp_path / "a", "--json")
    call(*[w if w != "30" else "40" for w in RUN], "--store", tmp_path / "b", "--json")
    with pytest.raises(InputError, match="other budgets"):
        call("compare", tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("optimizers", [["adam", "rmsprop"], ["bfgs", "lbfgs", "adam[lr=0.5]"]])
def test_one_task_and_several_optimizers_as_json(tmp_path, optimizers):
    words = [w for name in optimizers for w in ("--optimizer", name)]
    done = call("run", "--task", "sphere[dim=3]", *words, "--seeds", "2", "--in-process", "--store", tmp_path, "--json")
    (board,) = json.loads(done.stdout)["boards"]
    assert {row["optimizer"] for row in board["rows"]} == set(optimizers)


def test_a_pair_that_cannot_run_says_why(tmp_path):
    with pytest.raises(InputError, match=r"nothing to run: muon on sphere.*needs matrix_parameters"):
        call("run", "--task", "sphere", "--optimizer", "muon", "--store", tmp_path)


def test_cuda_without_a_device_is_the_users_mistake(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(InputError, match="finds no CUDA device"):
        call(*RUN, "--device", "cuda", "--store", tmp_path)
    assert not list(tmp_path.rglob("*.json"))


def test_a_store_that_cannot_be_written_is_said_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        call(*RUN, "--store", tmp_path / "file" / "store")


@pytest.mark.parametrize("words", [["--time-limit", "inf"], ["--time-limit", "nan"], ["--time-limit", "0"]])
def test_numbers_out_of_range_are_refused(tmp_path, words):
    with pytest.raises(InputError, match="got time_s"):
        call(*RUN, *words, "--store", tmp_path)


def test_the_leaderboard_of_a_suite_takes_ones_own_optimizer_in(tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text(
        'description = "x"\n[[runs]]\ntasks = ["sphere"]\noptimizers = ["adam"]\nn_calls = 20\nseeds = 1\n'
    )
    call("run", suite, "--optimizer", "rmsprop", "--in-process", "--store", tmp_path / "s", "--json")
    call("run", suite, "--calls", "10", "--in-process", "--store", tmp_path / "s", "--json")
    (board,) = json.loads(call("leaderboard", suite, "--store", tmp_path / "s", "--json").stdout)["boards"]
    assert {row["optimizer"] for row in board["rows"]} == {"adam", "rmsprop"}
    assert board["n_records"] == 2


def test_merge_and_parquet_keep_the_leaderboard(tmp_path):
    call(*RUN, "--store", tmp_path / "a", "--json")
    before = json.loads(call("leaderboard", "--store", tmp_path / "a", "--json").stdout)
    call("merge", tmp_path / "a", "--into", tmp_path / "b", "--parquet")
    assert list((tmp_path / "b").glob("*.parquet"))
    assert json.loads(call("leaderboard", "--store", tmp_path / "b", "--json").stdout) == before
    assert "nothing" not in call(*RUN, "--store", tmp_path / "b", "--json").stdout


def test_export_writes_records_and_the_page(tmp_path):
    call(*RUN, "--store", tmp_path / "a", "--export", tmp_path / "out")
    assert (tmp_path / "out" / "records.md").read_text().startswith("# Leaderboard")
    assert (tmp_path / "out" / "records.parquet").stat().st_size > 0


def test_data_and_doctor(tmp_path):
    assert json.loads(call("data", "list", "--json").stdout)[0]["name"] == "digits"
    table = call("data", "list").stdout
    assert "here" in table.splitlines()[1] and "yes" in table
    assert Path(call("data", "where", "digits").stdout.strip()).is_file()
    assert "environment" in json.loads(call("doctor", "--json").stdout)


def test_ones_own_class_from_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text("import torch\nclass Mine(torch.optim.SGD):\n    pass\n")
    words = ["run", "--task", "sphere", "--optimizer", "mine:Mine[lr=0.1]", "--seeds", "1", "--calls", "50", "--json"]
    done = program(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine:Mine[lr=0.1]" in done.stdout


def test_metatrain_writes_weights_and_curve_and_a_finished_run_can_be_written_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = str(ROOT / "tests" / "metatrain" / "truncated.toml")
    written = []
    for _ in range(2):
        call("metatrain", recipe, "--seed", 5, "--out", tmp_path / "w.safetensors", "--curves", tmp_path / "c.json")
        written.append((tmp_path / "w.safetensors").read_bytes())
    assert written[0] == written[1]
    (curve,) = json.loads((tmp_path / "c.json").read_text())
    assert (curve["seed"], curve["recipe"], curve["architecture"]) == (5, "truncated", "adafactor_mlp")
    done = call(
        "run",
        "--task",
        "unit_box[dim=2]",
        "--optimizer",
        f"adafactor_mlp[weights='{tmp_path}/w.safetensors']",
        "--seeds",
        "1",
        "--calls",
        "20",
        "--in-process",
        "--store",
        tmp_path / "s",
        "--json",
    )
    assert json.loads(done.stdout)["boards"][0]["n_records"] == 1


def test_precision_compares_with_the_widest_and_exports_page_and_figure(tmp_path):
    small = tmp_path / "small.toml"
    small.write_text(
        'description = "small"\n[[runs]]\ntasks = ["sphere[dim=3]"]\noptimizers = ["adam[lr=0.5]"]\n'
        'precisions = ["fp64", "bf16"]\nseeds = 1\nn_calls = 60\n'
    )
    call("run", small, "--in-process", "--store", tmp_path / "s", "--json")
    words = ["precision", small, "--store", tmp_path / "s", "--rung", "0.1"]
    board = json.loads(call(*words, "--json", "--export", tmp_path / "out").stdout)["board"]
    assert [(row["precision"], row["reference"]) for row in board["overall"]] == [("fp64", "fp64"), ("bf16", "fp64")]
    assert board["rung"] == 0.1
    assert all("stagnation" in row for row in board["tasks"])
    page = (tmp_path / "out" / "small_robustness.md").read_text()
    assert "(figures/small_robustness.png)" in page
    assert (tmp_path / "out" / "figures" / "small_robustness.png").stat().st_size > 0
    assert "What a precision costs" in call(*words).stdout


PEERS = {
    "singd_package[lr=0.01]": "singd",
    "shampoo[lr=0.1,period=10]": "pytorch_optimizer",
    "soap": "pytorch_optimizer",
}
"""Optimizers of the suite that come with the extra `peers`, and their packages."""


@pytest.mark.parametrize("name", ["precision", "precision_breaking"])
def test_the_suites_about_precision_plan_what_they_say(name, tmp_path):
    plan = json.loads(call("run", name, "--dry-run", "--json", "--store", tmp_path).stdout)
    trials = plan["trials"]
    assert {t["precision"] for t in trials} == {"fp64", "fp32", "bf16-amp", "fp16", "bf16"}
    assert {t["seed"] for t in trials} == {0, 1, 2}
    missing = {label for label in PEERS if find_spec(PEERS[label]) is None} if name == "precision" else set()
    planned = {"precision": 37, "precision_breaking": 10}[name]
    assert len({t["label"] for t in trials}) == planned - len(missing)
    assert {s["optimizer"] for s in plan["skips"]} <= {"muon"} | missing


def test_claims_without_records_are_undecided_and_say_what_makes_them(tmp_path):
    """But for those that need none."""
    rows = json.loads(call("claims", "--json", "--store", tmp_path).stdout)["claims"]
    open_ = [row for row in rows if row["verdict"] == "undecided"]
    assert len(open_) >= 4
    assert all(row["notes"] for row in open_)
    assert {row["suites"] == [] and row["n_records"] == 0 for row in rows if row not in open_} == {True}
    assert {row["name"] for row in json.loads(call("list", "claims", "--json").stdout)} == {row["name"] for row in rows}


def test_tune_writes_a_suite_that_runs(tmp_path):
    suite = tmp_path / "small.toml"
    suite.write_text(
        'description = "small"\n[[runs]]\ntasks = ["sphere[dim=2]"]\noptimizers = ["bfgs"]\nseeds = 1\nn_calls = 20\n'
    )
    out = tmp_path / "tuned.toml"
    call(
        "tune",
        suite,
        "--optimizer",
        "adam",
        "--points",
        2,
        "--seeds",
        1,
        "-j",
        1,
        "--out",
        out,
        "--store",
        tmp_path / "t",
    )
    board = json.loads(call("run", out, "--store", tmp_path / "r", "--in-process", "--json").stdout)["boards"][0]
    assert board["rows"][0]["optimizer"].startswith("adam_tuned")


def test_a_board_shows_every_label_of_a_trial(tmp_path):
    same = ["run", "--task", "sphere[dim=2]", "--seeds", "1", "--calls", "20", "--in-process", "--json"]
    done = call(*same, "--optimizer", "p = cg", "--optimizer", "q = cg", "--store", tmp_path)
    assert {row["optimizer"] for row in json.loads(done.stdout)["boards"][0]["rows"]} == {"p", "q"}
    done = call(*same, "--optimizer", "cg", "--store", tmp_path)
    assert {row["optimizer"] for row in json.loads(done.stdout)["boards"][0]["rows"]} == {"cg"}
