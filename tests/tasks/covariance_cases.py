"""What the tests of tasks of positive definite matrices share: each task with a minimiser of its own making."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rmobench.tasks.covariance.bures_wasserstein import barycentre, bures_wasserstein
from rmobench.tasks.covariance.gaussian_mixture import gaussian_mixture
from rmobench.tasks.covariance.gaussian_vi import gaussian_vi
from rmobench.tasks.covariance.graphical_lasso import graphical_lasso
from rmobench.tasks.covariance.karcher_mean import karcher_mean, mean
from rmobench.tasks.covariance.logdet import logdet
from rmobench.tasks.covariance.metric_nearness import metric_nearness
from rmobench.tasks.covariance.mixture import fitted
from rmobench.tasks.covariance.regions import clustered
from rmobench.tasks.covariance.spd_clustering import spd_clustering
from rmobench.tasks.covariance.structured_gaussian_vi import structured_gaussian_vi
from rmobench.tasks.covariance.structured_precision import structured_precision
from rmobench.tasks.covariance.structured_storage import best_kronecker, best_toeplitz
from rmobench.tasks.covariance.structured_support import SUPPORTS, best_factor, support_of
from rmobench.tasks.covariance.tyler import scatter, tyler
from rmobench.tasks.covariance.valley import VALLEYS
from rmobench.tasks.covariance.variational_reference import ends
from rmobench.tasks.streams import stream
from rmobench.types import Problem
from tests.tasks.frame_cases import build

Point = dict[str, Tensor]

ROUNDING = 1e-12
"""Of gaps in float64 where the values are sums of hundreds of terms."""


@dataclass(frozen=True, slots=True)
class Case:
    """A small instance of a task."""

    task: Callable[..., Problem]
    minimiser: Callable[[Problem], Point]
    args: Mapping[str, object] = field(default_factory=dict)

    def build(self, **more: object) -> Problem:
        return build(self.task, **{**self.args, **more})


def constant(problem: Problem, name: str) -> Tensor:
    return problem.model.get_buffer(name)


def put(problem: Problem, point: Point) -> dict[str, float]:
    """Put a point there and judge it."""
    with torch.no_grad():
        for name, value in point.items():
            problem.params[name].copy_(value)
    return dict(problem.judge(problem.model))


def given(problem: Problem) -> Tensor:
    """Return the matrices that the mean is of."""
    inverse = torch.linalg.inv(constant(problem, "whiteners"))
    return inverse @ inverse.mT


def sparse(problem: Problem) -> Point:
    """Return scikit-learn's graphical lasso, run far beyond its default tolerance."""
    from sklearn.covariance import graphical_lasso as solver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls a gap below zero by rounding not converged
        _, x = solver(constant(problem, "S").numpy(), 0.1, tol=1e-12, enet_tol=1e-12, max_iter=1000)
    return {"x": torch.tensor(x)}


def mixture(problem: Problem) -> Point:
    x, logits, _ = fitted(constant(problem, "y")[:, :-1], problem.params["x"].detach(), prior=1.0)
    return {"x": x, "logits": logits}


def centres(problem: Problem) -> Point:
    return {"x": clustered(given(problem), 2, stream(1, "test"))[0]}


def normal_distribution(function: str, *, dim: int, structure: str = "lower_triangular") -> Point:
    """Return mean and factor of the best one at temperature 1, from a search of its own."""
    support = support_of(structure, dim=dim, dense_columns=1)
    best = ends(VALLEYS[function](dim), support, temperature=1.0, n_starts=1)[0]
    return {"mean": best.mean, "B": best.factor}


def with_precision(point: Point) -> Point:
    return {"mean": point["mean"], "x": point["B"] @ point["B"].T}


CASES = {
    "logdet": Case(logdet, lambda p: {"x": torch.linalg.inv(constant(p, "S"))}),
    "logdet of breast_cancer": Case(
        logdet, lambda p: {"x": torch.linalg.inv(constant(p, "S"))}, {"data": "breast_cancer"}
    ),
    "metric_nearness": Case(metric_nearness, lambda p: {"x": torch.linalg.inv(constant(p, "Q"))}),
    **{
        f"structured_precision, {structure}": Case(
            structured_precision,
            lambda p: {"B": best_factor(constant(p, "S"), constant(p, "support"))},
            {"data": "wine", "structure": structure},
        )
        for structure in SUPPORTS
    },
    **{
        f"structured_precision, {structure}": Case(
            structured_precision,
            lambda p: {"a": best_toeplitz(constant(p, "S"))},
            {"data": "wine", "structure": structure},
        )
        for structure in ("lower_toeplitz", "upper_toeplitz")
    },
    "structured_precision, kronecker": Case(
        structured_precision,
        lambda p: dict(zip("PQ", best_kronecker("test", constant(p, "S"), 3), strict=True)),
        {"data": "synthetic", "dim": 12, "structure": "kronecker", "dense_columns": 3},
    ),
    "karcher_mean": Case(karcher_mean, lambda p: {"x": mean("test", given(p))}),
    "bures_wasserstein": Case(
        bures_wasserstein, lambda p: {"x": barycentre("test", constant(p, "roots") @ constant(p, "roots").mT)}
    ),
    "graphical_lasso": Case(graphical_lasso, sparse, {"data": "wine"}),
    "gaussian_mixture": Case(gaussian_mixture, mixture),
    **{
        f"gaussian_vi, {function}": Case(
            gaussian_vi,
            lambda p, function=function: with_precision(normal_distribution(function, dim=2)),
            {"function": function, "dim": 2},
        )
        for function in VALLEYS
    },
    **{
        f"structured_gaussian_vi, {structure}": Case(
            structured_gaussian_vi,
            lambda p, structure=structure: normal_distribution("rosenbrock", dim=2, structure=structure),
            {"function": "rosenbrock", "structure": structure, "dim": 2},
        )
        for structure in ("diagonal", "lower_triangular")
    },
    "spd_clustering": Case(spd_clustering, centres),
    "tyler": Case(tyler, lambda p: {"x": scatter("test", constant(p, "rows"))}),
    "tyler of wine": Case(tyler, lambda p: {"x": scatter("test", constant(p, "rows"))}, {"data": "wine"}),
}
