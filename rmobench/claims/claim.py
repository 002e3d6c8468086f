"""What a claim, a measure and a finding are: frozen values; verdicts follow from intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from rmobench.types import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmobench.claims.evidence import Evidence


class Verdict(StrEnum):
    """What the records say about a claim."""

    holds = "holds"
    does_not_hold = "does_not_hold"
    undecided = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number with its 95 % interval; with a threshold it decides, without one it informs."""

    name: str
    value: Interval  # NaN: nothing to measure
    unit: str
    threshold: float | None = None
    wants: Literal["above", "below"] | None = None  # the side of the threshold on which the claim holds
    condition: bool = False  # of the test itself: where it is not met, the claim was not put to the test

    def __post_init__(self) -> None:
        if (self.threshold is None) is not (self.wants is None):
            raise ValueError(f"{self.name}: threshold and wants come together, got {self.threshold} and {self.wants}.")

    @property
    def verdict(self) -> Verdict | None:
        """Return the side of the threshold that the whole interval lies on, undecided if none; None: it informs.

        A condition that is not met leaves it undecided, too.
        """
        if self.threshold is None:
            return None
        above, below = self.value.low > self.threshold, self.value.high < self.threshold
        if not (above or below):
            return Verdict.undecided
        if above is (self.wants == "above"):
            return Verdict.holds
        return Verdict.undecided if self.condition else Verdict.does_not_hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was measured; without a deciding measure it is undecided."""

    measures: tuple[Measure, ...] = ()
    n_records: int = 0
    notes: tuple[str, ...] = ()  # what a reader must know before believing it, or what is missing and how to get it

    @property
    def deciding(self) -> tuple[Measure, ...]:
        """Return the measures that have a threshold."""
        return tuple(m for m in self.measures if m.threshold is not None)

    @property
    def verdict(self) -> Verdict:
        """Return holds if every deciding measure does, does_not_hold if any does not, else undecided."""
        verdicts = {m.verdict for m in self.deciding}
        if Verdict.does_not_hold in verdicts:
            return Verdict.does_not_hold
        return Verdict.holds if verdicts == {Verdict.holds} else Verdict.undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody published, and how we measure it."""

    name: str
    source: str
    statement: str
    measurement: str  # how it is decided, in words
    not_covered: str  # what the verdict does not say, in words
    measure: Callable[[Evidence], Finding]
    suites: tuple[str, ...] = ()  # whose records it needs, every planned trial
    optimizers: tuple[str, ...] = ()  # labels that must be among those records
    metatraining: bool = False  # it needs curves of meta-training
    trace: bool = False  # it looks at the judged points on the way, too
    figure: Callable[[Evidence], Figure] | None = None
    figure_suites: tuple[str, ...] = ()  # whose records the figure shows, too, where they are
