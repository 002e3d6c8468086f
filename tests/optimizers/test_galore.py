"""GaLore, which gives the budget of parameters up: full matrices, thin moments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.models.low_rank_linear import merge_low_rank
from rmobench.types import Problem
from tests.optimizers.low_rank import F64, build, network, oracle_of

pytest.importorskip("pytorch_optimizer", reason="pytorch-optimizer is not installed (extra `peers`)")

NEAR = 1e-12
FLOAT32 = 1e-5
"""The package's singular vectors come from float32."""


def walked(n_steps: int, **hyper) -> tuple[Problem, dict[str, Tensor]]:
    problem, _ = network(rank=2)
    optimizer, oracle = build("galore", problem, **hyper), oracle_of(problem)
    for _ in range(n_steps):
        optimizer.step(oracle)
    return problem, {n: p.detach().clone() for n, p in problem.params.items()}


def twin(n_steps: int, step) -> dict[str, Tensor]:
    """The same network with the same batches, merged, moved by hand: `step(name, parameter, gradient)`."""
    problem, layers = network(rank=2)
    starts = {name: layer.base.weight + layer.matrix(F64) for name, layer in layers.items()}
    merge_low_rank(problem.model)
    for name, start in starts.items():
        torch.testing.assert_close(problem.params[f"{name}.weight"].detach(), start, rtol=0, atol=NEAR)
    oracle = oracle_of(problem)
    for _ in range(n_steps):
        oracle()
        with torch.no_grad():
            for name, p in problem.params.items():
                p.copy_(step(name, p, p.grad))
    return {name: p.detach() for name, p in problem.params.items()}


@pytest.mark.parametrize("period", [1, 3, 10])
def test_galore_step_by_step(period: int) -> None:
    """Adam on G V or U^T G with the leading singular vectors of the gradient at the last renewal."""
    _, moved = walked(6, lr=0.02, rank=2, period=period, scale=0.5, epsilon=1e-3)
    assert set(moved) == {"0.weight", "2.weight", "4.weight", "4.bias"}  # biases of merged layers stay frozen
    past: dict = {}

    def step(name: str, p: Tensor, g: Tensor) -> Tensor:
        t, m, v, basis = past.get(name, (0, 0.0, 0.0, None))
        t, tall = t + 1, g.ndim == 2 and g.shape[0] >= g.shape[1]
        thin = g.ndim == 2 and min(g.shape) > 2
        if thin and (basis is None or t % period == 0):
            U, _, Vh = torch.linalg.svd(g, full_matrices=False)
            new = Vh[:2].mT if tall else U[:, :2]
            # signs are free, and moments are kept: those that the package's decomposition has
            U32, _, Vh32 = torch.linalg.svd(g.float(), full_matrices=False)
            theirs = (Vh32[:2].mT if tall else U32[:, :2]).double()
            basis = new * (new * theirs).sum(0).sign()
        low = (g @ basis if tall else basis.mT @ g) if thin else g
        m, v = 0.9 * m + 0.1 * low, 0.999 * v + 0.001 * low**2
        past[name] = t, m, v, basis
        unbiased = (1 - 0.999**t) ** 0.5
        d = m / (v.sqrt() + 1e-3) * unbiased / (1 - 0.9**t)
        back = 0.5 * (d @ basis.mT if tall else basis @ d) if thin else d
        return p - 0.02 * back

    expected = twin(6, step)
    for name, p in moved.items():
        torch.testing.assert_close(p, expected[name], rtol=0, atol=FLOAT32)


def test_galore_keeps_moments_of_low_rank() -> None:
    problem, _ = network(m=9, n=7, rank=2)
    optimizer, oracle = build("galore", problem, rank=2), oracle_of(problem)
    optimizer.step(oracle)
    thin = sum(2 * max(m, n) * 2 + min(m, n) * 2 for m, n in [(9, 7), (9, 9)])
    assert sum(t.numel() for t in optimizer.state()) == thin + 2 * (2 * 9 + 2)  # the head [2, 9] takes Adam


@pytest.mark.parametrize(
    ("hyper", "message"),
    [({"rank": 0}, "galore: got rank=0, expected a whole number >= 1"), ({"period": 0}, "galore: got period=0")],
)
def test_options_out_of_range_are_refused(hyper: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build("galore", network()[0], **hyper)
