"""Problems whose minimum and curvature there are known: gradient zero, and the Hessian's eigenvalues."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rmobench.geometry import FixedRank, Grassmann, Spd, Sphere, Stiefel, polar_factor, qr_factor
from tests.geometry.cases import ROUNDING, normal, point

VALUES = torch.tensor([5.0, 4.0, 2.5, 1.5, 1.0, 0.25], dtype=torch.float64)

V = qr_factor(normal((6, 6), 0))
"""Eigenvectors of C."""

C = (V * VALUES) @ V.mT


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=10 * ROUNDING)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_principal_subspaces(p: int) -> None:
    """At the top of -tr(x^T C x) / 2 turning v_i towards v_j costs the gap of their eigenvalues."""
    x = V[:, :p] @ qr_factor(normal((p, p), 1))  # any frame of the span
    g = -C @ x
    close(Grassmann().gradient(x, g), torch.zeros_like(x))
    for i in range(p):
        for j in range(p, 6):
            v = torch.outer(V[:, j], V[:, i] @ x)
            close(Grassmann().hessian(x, g, -C @ v, v), (VALUES[i] - VALUES[j]) * v)


@pytest.mark.parametrize("i", range(6))
def test_rayleigh_quotient(i: int) -> None:
    """x^T C x / 2 is stationary at the eigenvectors, with the differences of the eigenvalues as curvatures."""
    x = V[:, i]
    close(Sphere().gradient(x, C @ x), torch.zeros_like(x))
    for j in set(range(6)) - {i}:
        close(Sphere().hessian(x, C @ x, C @ V[:, j], V[:, j]), (VALUES[j] - VALUES[i]) * V[:, j])


@pytest.mark.parametrize(("metric", "turning"), [("embedded", 0.5), ("canonical", 1.0)])
def test_procrustes(metric: str, turning: float) -> None:
    """The minimum of |x - b|^2 / 2 is the polar factor of b = x diag(s).

    Its curvatures are s_i for leaving the span, (s_i + s_j) / 2 for turning in it; twice that in the canonical metric,
    which counts such a turn half.
    """
    manifold, s = Stiefel(metric=metric), VALUES[:3]
    x, b = V[:, :3], V[:, :3] * s
    close(polar_factor(b), x)
    g = x - b
    close(manifold.gradient(x, g), torch.zeros_like(x))
    eye = torch.eye(3, dtype=torch.float64)
    for i in range(3):
        out = torch.outer(V[:, 4], eye[i])
        close(manifold.hessian(x, g, out, out), s[i] * out)
        for j in range(i):
            turn = x @ (torch.outer(eye[i], eye[j]) - torch.outer(eye[j], eye[i]))
            close(manifold.hessian(x, g, turn, turn), turning * (s[i] + s[j]) * turn)


def test_nearest_matrix_of_a_rank() -> None:
    """The minimum of |x - b|^2 / 2 is the truncated decomposition.

    Turning u_i v_i^T towards u_j v_j^T, with j left out, has the curvatures 1 - s_j / s_i and 1 + s_j / s_i.
    """
    manifold, W = FixedRank(rank=2), qr_factor(normal((6, 6), 1))
    b = (V * VALUES) @ W.mT
    x = manifold.project(b)
    close(x, (V[:, :2] * VALUES[:2]) @ W[:, :2].mT)
    g = x - b
    close(manifold.gradient(x, g), torch.zeros_like(x))
    for i in range(2):
        for j in range(2, 6):
            for sign in (1.0, -1.0):
                v = torch.outer(V[:, j], W[:, i]) + sign * torch.outer(V[:, i], W[:, j])
                close(manifold.hessian(x, g, v, v), (1.0 - sign * VALUES[j] / VALUES[i]) * v)


def test_mean_of_commuting_matrices() -> None:
    """The Karcher mean of matrices with the same eigenvectors has the geometric means of their eigenvalues."""
    values = normal((5, 6), 2).exp()
    matrices = (V * values.unsqueeze(-2)) @ V.mT
    x = point(Spd(), (6, 6))
    for _ in range(60):
        x = Spd().exp(x, 0.7 * Spd().log(x.expand_as(matrices), matrices).mean(0))
    torch.testing.assert_close(x, (V * values.log().mean(0).exp()) @ V.mT, rtol=1e-10, atol=1e-10)


def test_middle_of_two_matrices() -> None:
    """It is a (a^-1 b)^(1/2), whose square along a^-1 is b."""
    a, b = point(Spd(), (4, 4)), point(Spd(), (4, 4), seed=1)
    middle = Spd().exp(a, 0.5 * Spd().log(a, b))
    torch.testing.assert_close(middle @ a.inverse() @ middle, b, rtol=1e-11, atol=1e-11)


def test_determinant_is_geodesically_linear() -> None:
    """log det has the gradient x and the Hessian zero."""
    x, inverse = point(Spd(), (4, 4)), point(Spd(), (4, 4)).inverse()
    v = Spd().tangent(x, normal((4, 4), 1))
    torch.testing.assert_close(Spd().gradient(x, inverse), x, rtol=0, atol=10 * ROUNDING)
    zero = Spd().hessian(x, inverse, -inverse @ v @ inverse, v)
    torch.testing.assert_close(zero, torch.zeros_like(x), rtol=0, atol=10 * ROUNDING)


def test_projection_to_definite_matrices() -> None:
    """Definite ones stay as they are; of the others only the eigenvalues below the floor change."""
    x = point(Spd(), (6, 6))
    assert torch.equal(Spd().project(x), x)
    values = VALUES.clone()
    values[-2:] = torch.tensor([0.0, -1.0])
    y = Spd().project((V * values) @ V.mT)
    torch.testing.assert_close(y, (V * values.clamp_min(0.0)) @ V.mT, rtol=0, atol=10 * ROUNDING)
    assert torch.linalg.cholesky_ex(y).info == 0
    assert torch.linalg.cholesky_ex(Spd().project(torch.zeros_like(x))).info == 0


def test_what_is_not_definite_is_not_a_number() -> None:
    """So that it shows, rather than an arbitrary answer."""
    x = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    y = torch.eye(3, dtype=torch.float64)
    for wrong in (Spd().retract(x, y), Spd().inner(x, y, y), Spd().dist(x, y), Spd().dist(y, x), Spd().exp(x, y)):
        assert wrong.isnan().any()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_residual_of_a_rank_is_the_share_left_out(rank: int) -> None:
    a = torch.diag(torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64))
    expected = {1: 5.0**0.5 / 3.0, 2: 1.0 / 3.0, 3: 0.0}[rank]
    assert FixedRank(rank=rank).residual(a).item() == pytest.approx(expected, abs=ROUNDING)
    assert FixedRank(rank=rank).residual(1e6 * a).item() == pytest.approx(expected, abs=ROUNDING)


def test_residual_of_definite_matrices_is_relative() -> None:
    """Of diag(4, 3, 0) nothing is wrong; a negative eigenvalue and an antisymmetric part are."""
    good = torch.diag(torch.tensor([4.0, 3.0, 0.0], dtype=torch.float64))
    turn = torch.zeros_like(good)
    turn[0, 1], turn[1, 0] = 1.0, -1.0
    assert Spd().residual(good) == 0.0
    negative = torch.diag(torch.tensor([2.0, 2.0, -1.0], dtype=torch.float64))
    assert Spd().residual(negative).item() == pytest.approx(1.0 / 3.0, abs=ROUNDING)
    assert Spd().residual(10.0 * (good + turn)).item() == pytest.approx((2.0 / 27.0) ** 0.5, abs=ROUNDING)
