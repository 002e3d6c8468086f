"""Records under the names that a plan gives them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def named(runs: pd.DataFrame, labels: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the records of some trials, one row per (label, trial), `optimizer` being the label.

    A record holds one label, perhaps an earlier one, and two labels of a plan can be one trial.

    Args:
        runs: One row per record.
        labels: (label, trial id), in the order of the rows.
    """
    pairs = pd.DataFrame(labels, columns=["optimizer", "id"])
    return pairs.merge(runs.drop(columns="optimizer"), on="id")
