"""What every registered optimizer keeps to: the checks that `rmobench check` runs on a stranger's."""

import pytest

from rmobench.harness.contract import OPTIMIZER_CHECKS
from rmobench.registry import optimizers, unavailable
from tests.contract.fitting import pairs

PAIRS = pairs()


@pytest.fixture(params=PAIRS, ids=[pair.name if pair else name for name, pair in PAIRS])
def pair(request):
    """An optimizer and a task that it fits."""
    name, pair = request.param
    if pair is None:
        pytest.skip(f"{name}: {unavailable(optimizers()[name])}")
    return pair


@pytest.mark.parametrize("check", OPTIMIZER_CHECKS, ids=lambda check: check.states)
def test_the_contract(pair, check):
    check.run(pair)
