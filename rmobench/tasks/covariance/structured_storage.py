"""Groups of matrices with fewer numbers than entries: triangular Toeplitz matrices, and Kronecker products."""

from __future__ import annotations

import torch
from torch import Tensor

from rmobench.tasks.covariance.fixed_point import fixed_point

TOEPLITZ = ("lower_toeplitz", "upper_toeplitz")
KRONECKER = "kronecker"


def toeplitz(a: Tensor) -> Tensor:
    """Return the lower triangular Toeplitz matrix [n, n] of which a [n] is the first column."""
    i = torch.arange(len(a), device=a.device)
    B: Tensor = a[(i[:, None] - i).clamp_min(0)].tril()
    return B


def toeplitz_likelihood(a: Tensor, S: Tensor) -> Tensor:
    """Return tr(S B B^T) - log det B B^T, B = toeplitz(a); [n], [n, n] -> [].

    For B the upper triangular matrix of the first row a, S goes in with its rows and columns in reversed order.
    """
    B = toeplitz(a)
    value: Tensor = ((S @ B) * B).sum() - 2.0 * len(a) * a[0].abs().log()
    return value


def best_toeplitz(S: Tensor) -> Tensor:
    """Return the minimiser a [n]: with v = W^-1 e_0, a = (n / v_0)^(1/2) v.

    Here W [n, n] makes the value a^T W a - 2 n log a_0, which is convex and stationary where W a = (n / a_0) e_0:
    W_jl = tr((Z^j)^T S Z^l) for powers of the shift Z, and S Z^l is S with l columns cut off.
    """
    n = len(S)
    W = torch.stack(
        [torch.stack([S[j : n - max(k - j, 0), k : n - max(j - k, 0)].trace() for k in range(n)]) for j in range(n)]
    )
    v = torch.linalg.solve(W, torch.eye(1, n, dtype=S.dtype).reshape(n))
    a: Tensor = v * (n / v[0]).sqrt()
    return a


def kronecker_likelihood(P: Tensor, Q: Tensor, S: Tensor) -> Tensor:
    """Return tr(S B B^T) - log det B B^T, B = P (x) Q; [p, p], [q, q], [p q, p q] -> []."""
    B = torch.kron(P, Q)
    logs = [torch.linalg.slogdet(M).logabsdet for M in (P, Q)]
    value: Tensor = ((S @ B) * B).sum() - 2.0 * (len(Q) * logs[0] + len(P) * logs[1])
    return value


def best_kronecker(task: str, S: Tensor, p: int) -> tuple[Tensor, Tensor]:
    """Return minimisers P [p, p] and Q [q, q], p q = n: the fixed point of best responses.

    With X = P P^T, Y = Q Q^T the best X for a given Y is q times the inverse of sum_ab Y_ab S_(i a)(j b), and likewise
    for Y. The value is geodesically convex in (X, Y), so that a point which answers itself is a minimum.

    Source: Dutilleul 1999, J. Stat. Comput. Simul. 64(2) (flip-flop); Wiesel 2012, IEEE Trans. Signal Process. 60(12)
    (convexity).

    Args:
        task: Its name, for the message.
        S: [n, n].
        p: A divisor of n.

    Raises:
        ArgumentError: The iteration did not arrive.
    """
    q = len(S) // p
    blocks = S.reshape(p, q, p, q)

    def answer(X: Tensor) -> Tensor:
        Y: Tensor = p * torch.linalg.inv(torch.einsum("ij,iajb->ab", X, blocks))
        return Y

    def advance(X: Tensor) -> tuple[Tensor, float]:
        moment = torch.einsum("ab,iajb->ij", answer(X), blocks) / q
        L = torch.linalg.cholesky(X)
        away = (L.mT @ moment @ L - torch.eye(p, dtype=S.dtype)).abs().amax().item()
        following = torch.linalg.inv(moment)
        return 0.5 * (following + following.mT), away

    X = fixed_point(task, advance, torch.eye(p, dtype=S.dtype))
    return torch.linalg.cholesky(X), torch.linalg.cholesky(answer(X))
