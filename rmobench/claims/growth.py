"""How fast does a quantity grow with the dimension? Slopes in log-log coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.claims.resampling import bootstrap_mean
from rmobench.types import Interval

Array = NDArray[np.float64]


def by_dimension(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a positive quantity of one optimizer, [dim, seed], of the seeds that know it in every dimension."""
    wide = runs.pivot(index="dim", columns="seed", values=column).sort_index().astype(float)
    return wide.where(wide > 0.0).dropna(axis=1)


def slope(table: pd.DataFrame) -> Interval:
    """Return the least-squares slope of log quantity against log dimension, over seeds.

    The slope is linear in the logarithms: that of their mean over resampled seeds is the mean of the seeds' slopes.

    Args:
        table: A quantity, [dim, seed].
    """
    x = np.log(table.index.to_numpy(float))
    x = x - x.mean()
    slopes: Array = x @ np.log(table.to_numpy(float)) / (x @ x)
    return bootstrap_mean(slopes, least=2)
