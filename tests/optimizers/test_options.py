"""Numbers that no rule can take are refused when it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.registry import load, optimizers, unavailable
from rmobench.tasks.orthogonal.pca_digits import pca_digits
from tests.optimizers.plain_oracle import PlainOracle, drive, normal, problem

INF, NAN = float("inf"), float("nan")

TRUST_REGIONS = ("rtr", "pymanopt_rtr")
LEARNED = ("subspace", "subspace_scalefree", "gmlstm")
ADAMS = ("geoopt_radam", "geotorch_adam")

REFUSED = [
    ("rsgd", {"lr": -0.1}, r"rsgd: got lr=-0\.1, expected a finite number >= 0"),
    ("rsgd", {"momentum": 1.5}, r"rsgd: got momentum=1\.5, expected a number in \[0, 1\)"),
    ("radam", {"beta2": 1.0}, r"radam: got beta2=1\.0, expected a number in \[0, 1\)"),
    ("rasa", {"lr": float("nan")}, r"rasa: got lr=nan"),
    ("cayley_sgd", {"n_iterations": -3}, r"cayley_sgd: got n_iterations=-3"),
    ("cayley_adam", {"beta1": -0.5}, r"cayley_adam: got beta1=-0\.5"),
    ("landing", {"attraction": -1.0}, r"landing: got attraction=-1\.0"),
    ("landing", {"safety": 2.0}, r"landing: got safety=2\.0, expected a number in \[0, 1\)"),
    ("pogo", {"momentum": 1.0}, r"pogo: got momentum=1\.0"),
    ("penalty", {"weight": -1.0}, r"penalty: got weight=-1\.0"),
    ("svb", {"band": -0.1}, r"svb: got band=-0\.1"),
    ("manifold_muon", {"lr": float("inf")}, r"manifold_muon: got lr=inf"),
    ("trivialization", {"beta1": 1.0}, r"trivialization: got beta1=1\.0"),
    ("rlbfgs", {"history_size": 0}, r"rlbfgs: got history_size=0.*expected a history of at least 1"),
    ("rlbfgs", {"armijo": 0.95}, r"expected a history of at least 1 and 0 < armijo < curvature < 1"),
    ("cayley_sgd", {"n_iterations": 0}, r"cayley_sgd: got n_iterations=0, expected a whole number >= 1"),
    ("cayley_adam", {"n_iterations": 2.5}, r"cayley_adam: got n_iterations=2\.5, expected a whole number >= 1"),
    ("manifold_muon", {"n_dual": 0}, r"manifold_muon: got n_dual=0, expected a whole number >= 1"),
    *(("rtr", {"radius": r}, rf"rtr: got radius={r}, expected 0 < radius <= 1000\.") for r in (0.0, -1.0, 1001.0, NAN)),
    *((name, {"acceptance": a}, rf"{name}: got acceptance={a}") for name in TRUST_REGIONS for a in (-0.1, 0.25, NAN)),
    *((name, {"reduction": r}, rf"{name}: .*reduction={r}") for name in TRUST_REGIONS for r in (0.0, 1.0, NAN)),
    *(
        (name, {"order": o}, rf"{name}: .*order={o}.*0 < order <= 1\.")
        for name in TRUST_REGIONS
        for o in (0.0, 1.5, NAN)
    ),
    ("pymanopt_cg", {"beta_rule": "Newton"}, r"pymanopt_cg: got beta_rule='Newton', expected one of FletcherReeves, "),
    *((name, {"lr": -1.0}, rf"{name}: got lr=-1\.0") for name in LEARNED),
    *((name, {"lr": INF}, rf"{name}: got lr=inf") for name in LEARNED),
    ("geoopt_rsgd", {"lr": -0.1}, r"geoopt_rsgd: got lr=-0\.1, expected a finite number >= 0"),
    ("geoopt_rsgd", {"momentum": 1.0}, r"geoopt_rsgd: got momentum=1\.0, expected a number in \[0, 1\)"),
    *((name, {"lr": NAN}, rf"{name}: got lr=nan") for name in ADAMS),
    *((name, {beta: 1.0}, rf"{name}: got {beta}=1\.0") for name in ADAMS for beta in ("beta1", "beta2")),
    *((name, {"epsilon": -1e-8}, rf"{name}: got epsilon=-1e-08") for name in ADAMS),
    *(
        (name, {"restore": 1}, rf"{name}: got restore=1, expected True or False")
        for name in ("cayley_sgd", "cayley_adam")
    ),
    ("rcg", {"armijo": 0.9}, r"rcg: got armijo=0\.9 and curvature=0\.4, expected 0 < armijo < curvature < 1"),
]


@pytest.mark.parametrize(("name", "hyper", "message"), REFUSED, ids=[f"{n}-{h}" for n, h, _ in REFUSED])
def test_a_number_out_of_its_range_is_refused(name: str, hyper: dict[str, float], message: str) -> None:
    spec = optimizers()[name]
    if missing := unavailable(spec):
        pytest.skip(f"{name}: {missing}")
    problem = pca_digits(0, torch.device("cpu"), torch.float64)
    with pytest.raises(ArgumentError, match=message):
        load(spec.location)(problem, **{**spec.defaults, **hyper})


@pytest.mark.parametrize("name", ["radam", "rasa", "cayley_adam", "trivialization"])
@pytest.mark.parametrize(
    ("loss", "moved"),
    [(lambda a, b: 0.0 * (a.sum() + b.sum()), False), (lambda a, b: a[4, 0] + b[0] ** 2, True)],
    ids=["all zero", "partly zero"],
)
def test_without_an_epsilon_what_has_no_gradient_stays(
    name: str, loss: Callable[[Tensor, Tensor], Tensor], moved: bool
) -> None:
    """As where there is one: zero over zero is no step. Rows 0 to 3 and column 1 of the second gradient are zero."""
    frame, free = torch.eye(5, 2, dtype=torch.float64), normal(3)
    p = replace(problem(loss, frame, free), manifolds={"a": Stiefel()})
    drive(load(optimizers()[name].location)(p, epsilon=0.0), PlainOracle(p), n_steps=3)
    a, b = (x.detach() for x in p.params.values())
    assert (not torch.equal(a, frame), b[0].item() != free[0].item()) == (moved, moved)
    assert torch.equal(b[1:], free[1:])
    assert Stiefel().residual(a) < 1e-12
