"""Steps off the record, and what the dispatcher sees of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rmobench.harness.kernels import Kernels
from rmobench.harness.precision import one_thread
from rmobench.harness.walk import walk

SMALL = "metric_nearness[dim=3,cond=10.0]"


def test_a_walk_says_where_it_led_and_what_is_kept() -> None:
    found = walk(SMALL, "gnc", n_steps=4)
    assert found.points.shape == (4, 9)
    assert (found.param_bytes, found.state_bytes) == (72, 144)
    assert not np.allclose(found.points[0], found.points[3])
    assert np.array_equal(found.points, walk(SMALL, "gnc", n_steps=4).points)


def test_a_seed_a_precision_and_a_nudge_lead_elsewhere() -> None:
    plain = walk(SMALL, "gnc", n_steps=2).points

    def away(**how: Any) -> float:
        return float(np.linalg.norm(walk(SMALL, "gnc", n_steps=2, **how).points - plain) / np.linalg.norm(plain))

    assert away(seed=1) > 1e-3
    assert 1e-9 < away(precision="fp32") < 1e-4
    assert 0.0 < away(nudged=True) < 1e-13


def test_what_is_built_before_the_steps_is_not_watched() -> None:
    """The first factor of GNC is a Cholesky factor."""
    with Kernels() as all_:
        walk(SMALL, "gnc", n_steps=1)
    steps = Kernels()
    walk(SMALL, "gnc", n_steps=1, within=steps)
    assert "linalg_cholesky_ex" in all_.factorisations
    assert steps.factorisations == ()
    assert "mm" in steps.names


X = torch.eye(3, dtype=torch.float64)
FACTORISING = {
    "cholesky": lambda: torch.linalg.cholesky(X),
    "eigh": lambda: torch.linalg.eigh(X),
    "svd": lambda: torch.linalg.svdvals(X),
    "qr": lambda: torch.linalg.qr(X),
    "inv": lambda: torch.linalg.inv(X),
    "inverse": X.inverse,
    "solve": lambda: torch.linalg.solve(X, X),
    "triangular": lambda: torch.linalg.solve_triangular(X, X, upper=True),
    "cholesky_inverse": lambda: torch.cholesky_inverse(X),
    "lu": lambda: torch.linalg.lu(X),
    "lu_solve": lambda: torch.linalg.lu_solve(*torch.linalg.lu_factor(X), X),
    "det": lambda: torch.linalg.det(X),
    "logdet": lambda: torch.logdet(X),
    "lstsq": lambda: torch.linalg.lstsq(X, X),
    "pinv": lambda: torch.linalg.pinv(X),
    "norm 2": lambda: torch.linalg.matrix_norm(X, 2),
}
PLAIN = {
    "product": lambda: X @ X,
    "norm": lambda: torch.linalg.vector_norm(X) + X.norm() + torch.linalg.matrix_norm(X),
    "activations": lambda: [f(X.clone()) for f in (torch.relu_, torch.nn.functional.gelu, torch.nn.functional.silu)],
    "einsum": lambda: torch.einsum("ij,jk->ik", X, X),
}


@pytest.mark.parametrize("name", FACTORISING)
def test_factorisations_are_seen(name: str) -> None:
    with Kernels() as kernels:
        FACTORISING[name]()
    assert kernels.factorisations


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_else_is_called_one(name: str) -> None:
    with Kernels() as kernels:
        PLAIN[name]()
    assert kernels.names
    assert kernels.factorisations == ()


def test_one_thread_gives_back_the_others() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError), one_thread():
        assert torch.get_num_threads() == 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
