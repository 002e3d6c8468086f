"""The exponential of a tangent, in the storage of its structure."""

from __future__ import annotations

import math

from rmobench.curvature.storage import wide
from rmobench.curvature.structure import Factor, Structure, plus, scaled

TERMS = 14
"""Of the series, of matrices of norm at most 1/2: what is left out is below 2^-15 / 15!, some 2e-17."""


def exponential(structure: Structure, N: Factor) -> Factor:
    """Return the element exp(N) of a tangent N, in float32 or wider, in the type of N: by products alone.

    The series of N / 2^s by Horner's rule, then s squarings. The two matrices of a Kronecker tangent have exponentials
    of their own.

    Source: Moler, Van Loan 2003, SIAM Review 45(1), method 3 (scaling and squaring).
    """
    n = tuple(map(wide, N))
    unit = structure.identity(len(structure.diagonal(n)), dtype=n[0].dtype, device=n[0].device)
    s = _halvings(structure, n, unit)
    n, E = scaled(n, 0.5**s), unit
    for k in range(TERMS, 0, -1):
        E = plus(unit, structure.product(n, E), 1.0 / k)
    for _ in range(s):
        E = structure.product(E, E)
    return tuple(e.to(a.dtype) for e, a in zip(E, N, strict=True))


def _halvings(structure: Structure, N: Factor, unit: Factor) -> int:
    """Return how often N must be halved to have a norm of at most 1/2; 0 where it is not finite.

    The largest row sum of I + |N| is 1 more than the norm of N. Of a Kronecker tangent, taken as an element, it is at
    least 1 more than the norms of both matrices together.
    """
    ones = structure.diagonal(unit)[None]
    rows = structure.times_transposed(ones, plus(unit, tuple(a.abs() for a in N)))
    norm = float(rows.amax()) - 1.0
    return math.ceil(math.log2(2.0 * norm)) if 0.5 < norm < math.inf else 0
