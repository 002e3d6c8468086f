"""Shapes, ranks and metrics that do not fit are refused in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rmobench.errors import ArgumentError
from rmobench.geometry import Euclidean, FixedRank, Grassmann, Spd, Sphere, Stiefel
from tests.geometry.cases import generator

X, V = torch.eye(5, 2, dtype=torch.float64), torch.zeros(5, 3, dtype=torch.float64)
S, A = torch.eye(3, dtype=torch.float64), torch.zeros(2, 3, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Stiefel().retract(X, V),
            r"^Stiefel\.retract: v has shape \[5, 3\], expected \[5, 2\], the shape of x\.$",
        ),
        (lambda: Stiefel().tangent(X, V), r"^Stiefel\.tangent: u has shape \[5, 3\]"),
        (lambda: Stiefel().gradient(X, V), r"^Stiefel\.gradient: g has shape \[5, 3\]"),
        (lambda: Stiefel().hessian(X, X, V, X), r"^Stiefel\.hessian: h has shape \[5, 3\]"),
        (lambda: Stiefel().transport(X, V, X), r"^Stiefel\.transport: y has shape \[5, 3\]"),
        (lambda: Stiefel().inner(X, X, V), r"^Stiefel\.inner: v has shape \[5, 3\]"),
        (lambda: Stiefel().exp(X, V), r"^Stiefel\.exp: v has shape \[5, 3\]"),
        (
            lambda: Stiefel().project(X.T),
            r"^Stiefel\.project: x has shape \[2, 5\], expected \[\.\.\., n, p\] with p <= n\.$",
        ),
        (lambda: Stiefel().residual(X[0]), r"^Stiefel\.residual: x has shape \[2\], expected \[\.\.\., n, p\]"),
        (lambda: Stiefel().random((2, 5), generator()), r"^Stiefel\.random: x has shape \[2, 5\], expected"),
        (
            lambda: Stiefel(metric="euclidean"),
            r"^Stiefel: got metric='euclidean', expected 'embedded' or 'canonical'\.$",
        ),
        (lambda: Grassmann().retract(X, V), r"^Grassmann\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: Grassmann().tangent(X.T, X.T), r"^Grassmann\.tangent: x has shape \[2, 5\], expected .* p <= n\.$"),
        (lambda: Grassmann().log(X, V), r"^Grassmann\.log: y has shape \[5, 3\]"),
        (
            lambda: Spd().project(X),
            r"^Spd\.project: x has shape \[5, 2\], expected square matrices \[\.\.\., n, n\]\.$",
        ),
        (lambda: Spd().retract(S, A), r"^Spd\.retract: v has shape \[2, 3, 3\], expected \[3, 3\]"),
        (lambda: Spd().random((3,), generator()), r"^Spd\.random: x has shape \[3\], expected square"),
        (lambda: Spd().dist(S, A), r"^Spd\.dist: y has shape \[2, 3, 3\]"),
        (lambda: FixedRank(rank=0), r"^FixedRank: got rank=0, expected 1 or more\.$"),
        (
            lambda: FixedRank(rank=3).project(X),
            r"^FixedRank\.project: x has shape \[5, 2\], expected \[\.\.\., n, p\], both at least 3\.$",
        ),
        (lambda: FixedRank(rank=2).retract(X, V), r"^FixedRank\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: FixedRank(rank=1).residual(X[0]), r"^FixedRank\.residual: x has shape \[2\], expected"),
        (lambda: Sphere().retract(X, V), r"^Sphere\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: Sphere().project(X[0, 0]), r"^Sphere\.project: x has shape \[\], expected vectors \[\.\.\., n\]\.$"),
        (lambda: Sphere().hessian(X, X, X, V), r"^Sphere\.hessian: v has shape \[5, 3\]"),
        (lambda: Sphere().log(X, V), r"^Sphere\.log: y has shape \[5, 3\]"),
        (lambda: Euclidean().retract(X, V), r"^Euclidean\.retract: v has shape \[5, 3\], expected \[5, 2\]"),
        (lambda: Euclidean().dist(X, V), r"^Euclidean\.dist: y has shape \[5, 3\]"),
    ],
)
def test_errors_say_what_was_got_and_what_was_expected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        call()
