"""Which share of all (task, rung, seed) is reached within a cost.

Every (task, rung, seed) that an optimizer attempted counts once; one that was never reached counts in the denominator
for ever. The area is taken on a logarithmic axis that ends at the whole budget and starts DECADES before it, so 1 means
everything was reached at once and 0 nothing within the budget.

Source: Hansen et al. 2021, Optim. Methods Softw. 36(1), sec. 5 (COCO).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.statistics.hits import costs

Array = NDArray[np.float64]

DECADES = {"step": 3.0, "n_grad": 3.0, "time_s": 5.0}
"""Length of the axis: from one call of a thousand, or from 0.6 ms of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A step function: `share[i]` of everything is reached at a cost of at most `cost[i]`."""

    optimizer: str
    precision: str
    cost: Array  # [k], ascending; fractions of the budget, or counts or seconds
    share: Array  # [k], in (0, 1]


def curves(runs: pd.DataFrame, *, axis: str = "n_grad", relative: bool = True) -> tuple[Curve, ...]:
    """Return one curve per precision and optimizer.

    Args:
        runs: One row per record.
        axis: What is counted, one of `types.AXES`.
        relative: Costs as fractions of the budget instead of absolute.
    """
    table = costs(runs, axis=axis)
    unit = table["budget"] if relative else 1.0
    table["x"] = table["cost"] / unit
    groups = table.groupby(["precision", "optimizer"], observed=True)
    return tuple(_curve(str(optimizer), str(precision), group) for (precision, optimizer), group in groups)


def _curve(optimizer: str, precision: str, group: pd.DataFrame) -> Curve:
    cost, count = np.unique(group.loc[group["hit"], "x"].to_numpy(float), return_counts=True)
    return Curve(optimizer=optimizer, precision=precision, cost=cost, share=count.cumsum() / len(group))


def areas(table: pd.DataFrame, axis: str) -> pd.Series:
    """Return the area under each optimizer's curve, in [0, 1], by optimizer.

    The area under a mean of step functions is the mean of the areas under the steps.

    Args:
        table: Costs of one precision, as `hits.costs` gives them.
        axis: What they count.
    """
    left = -np.log10((table["cost"] / table["budget"]).to_numpy(float)) / DECADES[axis]
    area = table[["optimizer"]].assign(area=np.where(table["hit"], np.clip(left, 0.0, 1.0), 0.0))
    found: pd.Series = area.groupby("optimizer", observed=True)["area"].mean()
    return found
