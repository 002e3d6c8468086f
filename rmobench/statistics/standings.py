"""Who stands where: order and ranks of the optimizers of one board.

The score is taken over all tasks of the board. A task that an optimizer does not fit, or was not run on yet, counts as
unsolved: who cannot run has not reached the target, and one easy task does not make a winner. The coverage stands
beside the score, and a board of one family (`--family`) compares specialists among themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rmobench.statistics import profiles
from rmobench.statistics.intervals import mean_over_tasks
from rmobench.types import Interval

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An optimizer's place and what it rests on."""

    optimizer: str
    rank: int = 0
    tied: bool = False
    n_tasks: int  # attempted
    score: Interval
    far: float  # area of the profile far beyond the score's: orders equal scores
    evidence: Interval  # whose overlap is a tie: the score, or with a single task its ERT
    n_solved: int
    ert_ratio: float
    n_trials: int
    n_hits: int

    @property
    def order(self) -> tuple[float, float]:
        """Sort by score, then by the area far beyond it; rounded, so that the order of a sum does not part equals."""
        return -round(self.score.value, 12), -round(self.far, 12)


def standings(judged: pd.DataFrame) -> list[Standing]:
    """Rank the optimizers of one precision.

    Args:
        judged: One row per (task, optimizer), as `scores.estimates` gives them.
    """
    wide = judged.pivot_table(index="task", columns="optimizer", values="ert", observed=True)
    ratio = pd.DataFrame(profiles.ratios(wide.to_numpy(float)), index=wide.index, columns=wide.columns)
    groups = judged.groupby("optimizer", observed=True)
    places = [_standing(str(name), ratio[name], group) for name, group in groups]
    return _ranked(sorted(places, key=lambda place: (place.order, place.optimizer)))


def _standing(optimizer: str, ratio: pd.Series, group: pd.DataFrame) -> Standing:
    """Judge one optimizer by its ratios to the best, by task; NaN where it was not attempted."""
    values = ratio.fillna(np.inf).to_numpy(float)
    solved = values[np.isfinite(values)]
    score = mean_over_tasks(profiles.areas(values))
    first = group.iloc[0]
    return Standing(
        optimizer=optimizer,
        n_tasks=int(ratio.notna().sum()),
        score=score,
        far=float(profiles.areas(values, tau=profiles.TAU_FAR).mean()),
        evidence=score
        if len(ratio) > 1
        else Interval(value=first["ert"], low=first["ert_low"], high=first["ert_high"]),
        n_solved=len(solved),
        ert_ratio=float(np.exp(np.log(solved).mean())) if len(solved) else float("nan"),
        n_trials=int(group["n_trials"].sum()),
        n_hits=int(group["n_hits"].sum()),
    )


def _ranked(places: list[Standing]) -> list[Standing]:
    """Count places; equals share a rank."""
    ranked = [replace(place, rank=1) for place in places[:1]]
    for position, (above, place) in enumerate(pairwise(places), start=2):
        rank = ranked[-1].rank if above.order == place.order else position
        ranked.append(replace(place, rank=rank, tied=overlap(above.evidence, place.evidence)))
    return ranked


def overlap(a: Interval, b: Interval) -> bool:
    """Say whether two intervals share a point."""
    return bool(a.low <= b.high and b.low <= a.high)
