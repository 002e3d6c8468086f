"""A task made of data runs where the data are; one on several manifolds is paired by the one it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmobench.data import SOURCES
from rmobench.errors import InputError
from rmobench.harness.plan import plan
from rmobench.harness.suite import expand, read_suite
from rmobench.registry import choose_optimizers, choose_tasks, optimizers, tasks, unavailable, why_not
from tests.data.published import idx_folder

ABSENT = "no data 'mnist' on this machine: `rmobench data fetch mnist` gets it or says how"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder, empty."""
    monkeypatch.setenv("RMOBENCH_DATA", str(tmp_path))
    return tmp_path


def test_absent_data_are_the_reason(folder: Path) -> None:
    task, args = tasks()["orthogonal_cnn"], {**tasks()["orthogonal_cnn"].args, "data": "mnist"}
    assert unavailable(task, args) == ABSENT
    assert why_not(optimizers()["rsgd"], task, args=args) == ABSENT
    idx_folder(folder / "mnist")
    assert unavailable(task, args) is None
    assert why_not(optimizers()["rsgd"], task, args=args) is None


@pytest.mark.parametrize("args", [{"data": "digits"}, {"data": "no_such_data"}, {"data": None}])
def test_data_that_are_there_are_no_reason_and_a_wrong_name_is_left_to_the_task(args: dict[str, object]) -> None:
    task = tasks()["pca"]
    assert unavailable(task, {**task.args, **args}) is None


def test_an_absent_model_is_a_reason_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    task = tasks()["minilm_reviews"]
    args = {**task.args, "data": "brown"}  # which ships
    assert (
        unavailable(task, args) == "no data 'minilm' on this machine: `rmobench data fetch minilm` gets it or says how"
    )
    assert unavailable(task, {**args, "model": "byte_gpt"}) is None


@pytest.mark.parametrize(
    ("selector", "brought", "expected"),
    [
        ("pose_window", (), ("deepmimic", "walk")),
        ("pose_window", ("h36m",), ("h36m", "S9/Walking 1")),
        ("pose_window[clip='S11/Posing 1']", ("h36m",), ("h36m", "S11/Posing 1")),
        ("pose_window[data=h36m]", ("h36m",), ("h36m", "S9/Walking 1")),
        ("pose_window[data=deepmimic]", ("h36m",), ("deepmimic", "walk")),
        ("pose_clip", ("h36m",), ("h36m", "S9/Walking 1")),
    ],
)
def test_who_brings_data_has_other_defaults(selector: str, brought: tuple[str, ...], expected: tuple[str, str]) -> None:
    (chosen,) = choose_tasks(selector, brought=brought)
    assert (chosen.args["data"], chosen.args["clip"]) == expected
    assert chosen.label == choose_tasks(f"{chosen.spec.name}[data={expected[0]},clip='{expected[1]}']")[0].label


def test_what_takes_the_place_of_defaults_is_an_argument() -> None:
    """And names a source that users bring, of the type of the default."""
    for spec in tasks().values():
        for name, others in spec.brought.items():
            assert SOURCES[name].variable is not None and others["data"] == name
            assert all(type(value) is type(spec.args[key]) for key, value in others.items())


def test_data_that_no_task_reads_are_refused() -> None:
    (named,) = read_suite("pose").runs[:1]
    said = (
        r"got data 'h36m', and none of the tasks reads them, e\.g\. pose_window\[.*data=deepmimic.*leave `data` open in"
    )
    with pytest.raises(InputError, match=said + r" one of: pose_clip, pose_window, pose_window_2d\."):
        expand([named], brought=["h36m"])
    assert expand([named]).ids == expand([named], brought=[]).ids


def test_a_task_without_data_asks_for_none() -> None:
    assert not tasks()["procrustes"].data
    assert unavailable(tasks()["procrustes"]) is None


@pytest.mark.parametrize(
    ("manifold", "reason"),
    [("stiefel", None), ("grassmann", "the task is constrained to grassmann, which the optimizer does not keep")],
)
def test_the_manifold_that_is_asked_for_counts(manifold: str, reason: str | None) -> None:
    """Landing keeps frames, not subspaces."""
    task = tasks()["pca"]
    assert why_not(optimizers()["landing"], task, args={**task.args, "manifold": manifold}) == reason
    assert why_not(optimizers()["rsgd"], task, args={**task.args, "manifold": manifold}) is None
    assert why_not(optimizers()["landing"], task) is None


def test_the_plan_says_what_it_leaves_out() -> None:
    chosen = [*choose_tasks("orthogonal_cnn[data=mnist]"), *choose_tasks("pca[manifold=grassmann]")]
    made = plan(chosen, choose_optimizers("landing"), seeds=[0])
    assert made.trials == ()
    grassmann = "the task is constrained to grassmann, which the optimizer does not keep"
    assert [skip.reason for skip in made.skips] == [ABSENT, grassmann]
