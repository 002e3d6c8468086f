"""Numbers that no rule can take are refused when it is built."""

from __future__ import annotations

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.registry import load, optimizers
from rmobench.tasks.orthogonal.pca_digits import pca_digits

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
    ("rcg", {"armijo": 0.9}, r"rcg: got armijo=0\.9 and curvature=0\.4, expected 0 < armijo < curvature < 1"),
]


@pytest.mark.parametrize(("name", "hyper", "message"), REFUSED, ids=[f"{n}-{h}" for n, h, _ in REFUSED])
def test_a_number_out_of_its_range_is_refused(name: str, hyper: dict[str, float], message: str) -> None:
    problem = pca_digits(0, torch.device("cpu"), torch.float64)
    spec = optimizers()[name]
    with pytest.raises(ArgumentError, match=message):
        load(spec.location)(problem, **{**spec.defaults, **hyper})
