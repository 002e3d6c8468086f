"""Problems on manifolds whose minimum has a closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rmobench.geometry import Grassmann, Spd, Sphere, Stiefel
from rmobench.optimizers.riemannian.evaluation import product_of
from rmobench.types import Manifold, Problem
from tests.optimizers.plain_oracle import normal
from tests.optimizers.plain_oracle import problem as free_problem


@dataclass(frozen=True)
class Case:
    """A problem at its start, and its least loss."""

    problem: Problem
    best: float

    def loss(self) -> float:
        """Return the loss where the parameters are."""
        return self.problem.loss(self.problem.model, None).item()

    def residual(self) -> float:
        """Return the largest constraint violation."""
        params = {name: p.detach() for name, p in self.problem.params.items()}
        return product_of(self.problem).residual(params).item()


def problem(f: Callable[..., Tensor], *values: Tensor, manifolds: Mapping[str, Manifold]) -> Problem:
    """Return the problem of minimising f(a, b, ...) from the given values, on manifolds by parameter name."""
    return replace(free_problem(f, *values), manifolds=manifolds)


def point(manifold: Manifold, *shape: int, seed: int = 0) -> Tensor:
    """Draw a point of a manifold."""
    return manifold.random(shape, torch.Generator().manual_seed(seed))


def spectrum(values: Tensor) -> Tensor:
    """Return a symmetric matrix with these eigenvalues."""
    q, _ = torch.linalg.qr(normal(len(values), len(values), seed=7))
    return (q * values) @ q.T


def eigenvalues(n: int) -> Tensor:
    """Return n well separated numbers from 1 to 2."""
    return torch.linspace(1.0, 2.0, n, dtype=torch.float64)


def brockett(manifold: Stiefel | None = None, *, n: int = 12, p: int = 3) -> Case:
    """Minimise tr(x^T A x N), N = diag(p, ..., 1): the smallest eigenvalues of A, the smallest times the largest of N.

    Source: Brockett 1991, Linear Algebra Appl. 146; Absil, Mahony, Sepulchre 2008, sec. 4.8.
    """
    manifold = manifold or Stiefel()
    a, weights = spectrum(eigenvalues(n)), torch.arange(p, 0, -1, dtype=torch.float64)
    start = problem(lambda x: (x * (a @ x) * weights).sum(), point(manifold, n, p), manifolds={"a": manifold})
    return Case(start, (eigenvalues(n)[:p] * weights).sum().item())


def procrustes(manifold: Stiefel | None = None) -> Case:
    """Minimise |a x - b|^2 over orthogonal x: x = U V^T with a^T b = U S V^T; the start has its determinant.

    Source: Schoenemann 1966, Psychometrika 31(1).
    """
    manifold = manifold or Stiefel()
    a, b = normal(20, 5, seed=1), normal(20, 5, seed=2)
    u, s, vh = torch.linalg.svd(a.T @ b)
    x = point(manifold, 5, 5)
    x[:, 0] *= torch.linalg.det(x) * torch.linalg.det(u @ vh)
    best = (a.square().sum() + b.square().sum() - 2.0 * s.sum()).item()
    return Case(problem(lambda x: (a @ x - b).square().sum(), x, manifolds={"a": manifold}), best)


def nearest_frame(manifold: Stiefel | None = None) -> Case:
    """Minimise |x - b|^2 over a batch of frames: the polar factors."""
    manifold = manifold or Stiefel()
    b = normal(2, 9, 4, seed=1)
    best = (b.square().sum() + 8.0 - 2.0 * torch.linalg.svdvals(b).sum()).item()
    start = problem(lambda x: (x - b).square().sum(), point(manifold, 2, 9, 4), manifolds={"a": manifold})
    return Case(start, best)


def subspace(manifold: Grassmann | None = None, *, n: int = 12, p: int = 3) -> Case:
    """Minimise tr(x^T A x) over subspaces: the sum of the smallest eigenvalues."""
    manifold = manifold or Grassmann()
    a = spectrum(eigenvalues(n))
    start = problem(lambda x: (x * (a @ x)).sum(), point(manifold, n, p), manifolds={"a": manifold})
    return Case(start, eigenvalues(n)[:p].sum().item())


def rayleigh(n: int = 12) -> Case:
    """Minimise x^T A x over a batch of three unit vectors: thrice the smallest eigenvalue."""
    a = spectrum(eigenvalues(n))
    start = problem(lambda x: (x * (x @ a)).sum(), point(Sphere(), 3, n), manifolds={"a": Sphere()})
    return Case(start, 3.0 * eigenvalues(n)[0].item())


def inverse(n: int = 6) -> Case:
    """Minimise tr(a x) - log det x over positive definite x: x = a^-1."""
    a = spectrum(eigenvalues(n))
    start = problem(lambda x: (a * x).sum() - torch.logdet(x), point(Spd(), n, n), manifolds={"a": Spd()})
    return Case(start, n + torch.logdet(a).item())


def registration() -> Case:
    """Minimise |c x q + t - y|^2 over orthogonal q, a free vector t and a free number log c: one point of a product.

    With x and y centred and x^T y = U S V^T: q = U V^T, c = tr S / |x|^2, and |y|^2 - (tr S)^2 / |x|^2 is left.
    Source: Umeyama 1991, IEEE PAMI 13(4).
    """
    x, y = normal(20, 3, seed=1), normal(20, 3, seed=2)
    xc, yc = x - x.mean(0), y - y.mean(0)
    u, s, vh = torch.linalg.svd(xc.T @ yc)
    best = (yc.square().sum() - s.sum() ** 2 / xc.square().sum()).item()
    q = point(Stiefel(), 3, 3)
    q[:, 0] *= torch.linalg.det(q) * torch.linalg.det(u @ vh)

    def loss(q: Tensor, t: Tensor, log_scale: Tensor) -> Tensor:
        return (log_scale.exp() * x @ q + t - y).square().sum()

    start = problem(loss, q, normal(3, seed=3), torch.zeros((), dtype=torch.float64), manifolds={"a": Stiefel()})
    return Case(start, best)


CASES: Mapping[str, Callable[[], Case]] = {
    "brockett": brockett,
    "procrustes": procrustes,
    "nearest_frame": nearest_frame,
    "subspace": subspace,
    "rayleigh": rayleigh,
    "inverse": inverse,
    "registration": registration,
}
