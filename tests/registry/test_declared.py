"""A user's class says which constraints it keeps and what it needs; its source is read, not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmobench.errors import InputError
from rmobench.harness.plan import plan
from rmobench.harness.trial import run_trial
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.types import OptimizerSpec

STIEFEL = 'handles = ("stiefel",)'

FILES = {
    "own": f"import not_there\nclass Mine:\n    {STIEFEL}\n",
    "annotated": 'class Mine:\n    handles: tuple[str, ...] = ("stiefel",)\n',
    "of a base": f"class Base:\n    {STIEFEL}\nclass Mine(Base):\n    pass\n",
    "of the first base": f'class A:\n    {STIEFEL}\nclass B:\n    handles = ("spd",)\nclass Mine(A, B):\n    pass\n',
    "over the base's": f'class Base:\n    handles = ("sphere", "spd")\nclass Mine(Base):\n    {STIEFEL}\n',
}


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Write modules into a folder that Python looks into; dots in a name are slashes."""
    for name, text in files.items():
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(folder))


def spec_of(target: str) -> OptimizerSpec:
    (chosen,) = choose_optimizers(target)
    return chosen.spec


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_class_declares_what_it_keeps(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, declaring=text)
    assert spec_of("declaring:Mine").handles == ("stiefel",)


def test_a_class_declares_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, needing='class Mine:\n    needs = ("deterministic", "second_order")\n')
    assert (spec_of("needing:Mine").needs, spec_of("needing:Mine").handles) == (("deterministic", "second_order"), ())


def test_a_class_is_found_where_it_is_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another name, by relative and absolute imports, and not in a circle."""
    files = {
        "packed.__init__": "from .middle import Middle as Mine\nfrom packed.circle import Round\n",
        "packed.middle": "from packed.core import Core as Middle\n",
        "packed.core": f"from . import circle\nclass Core:\n    {STIEFEL}\n",
        "packed.circle": "from packed import Round\n",
    }
    written(tmp_path, monkeypatch, **files)
    assert spec_of("packed:Mine").handles == ("stiefel",)
    assert spec_of("packed:Round").handles == ()


@pytest.mark.parametrize("target", ["torch.optim:NAdam", "torch.optim:LBFGS"])
def test_a_class_that_declares_nothing_keeps_nothing(target: str) -> None:
    assert (spec_of(target).handles, spec_of(target).needs) == ((), ())


WRONG = {
    '("stiefel")': r"got handles = 'stiefel', expected a tuple of names, e\.g\. \('stiefel',\)",
    "KEPT": r"got handles = KEPT, expected a tuple of names, .* written out: the source is read, not run\.$",
    '("steifel",)': r"got 'steifel' in handles, expected one of sphere, stiefel, grassmann, spd, fixedrank\.$",
    "(1,)": r"got handles = \(1,\), expected a tuple of names",
}


@pytest.mark.parametrize(("value", "said"), WRONG.items(), ids=WRONG)
def test_what_is_no_declaration(value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, declaring_wrong=f"class Mine:\n    handles = {value}\n")
    with pytest.raises(InputError, match=rf"^declaring_wrong:Mine: {said}"):
        choose_optimizers("declaring_wrong:Mine")


def test_a_file_that_does_not_parse_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch, unparsable="class Mine:\n    handles = (\n")
    with pytest.raises(InputError, match=r"^unparsable:Mine: .*unparsable\.py, line 2: "):
        choose_optimizers("unparsable:Mine")


PROJECTED = """
import torch

class Projected(torch.optim.SGD):
    handles = ("stiefel",)

    @torch.no_grad()
    def step(self):
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(torch.linalg.qr(p).Q)

class Plain(torch.optim.SGD):
    pass
"""


def test_who_keeps_the_constraint_runs_and_who_does_not_is_told_how_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, monkeypatch, projecting=PROJECTED)
    chosen = [o for name in ("Projected", "Plain") for o in choose_optimizers(f"projecting:{name}[lr=1.0]")]
    planned = plan(choose_tasks("pca_digits[rank=2]"), chosen, seeds=[0], n_calls=30)
    assert [s.reason for s in planned.skips] == [
        "the task is constrained to stiefel, which the optimizer does not keep; a class that does declares "
        "handles = ('stiefel',)"
    ]
    (trial,) = planned.trials
    record = run_trial(trial)
    assert record.error is None
    assert record.trace[-1].metrics["residual"] < 1e-12
    assert record.trace[-1].metrics["gap"] < 0.5
