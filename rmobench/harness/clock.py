"""The stopwatch: only what runs between start and stop counts."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


class Clock:
    """Accumulate the seconds of timed segments; the device is synchronised at their edges only."""

    __slots__ = ("_since", "_synchronise", "elapsed_s")

    def __init__(self, synchronise: Callable[[], None] | None = None) -> None:
        self.elapsed_s = 0.0
        self._synchronise = synchronise
        self._since: float | None = None

    @property
    def asynchronous(self) -> bool:
        """Whether the device runs behind the host, so that stopping the clock costs a synchronisation."""
        return self._synchronise is not None

    @property
    def now_s(self) -> float:
        """Return the seconds so far, the running segment included, without synchronising."""
        return self.elapsed_s if self._since is None else self.elapsed_s + perf_counter() - self._since

    def start(self) -> None:
        """Open a timed segment."""
        if self._synchronise is not None:
            self._synchronise()
        self._since = perf_counter()

    def stop(self) -> None:
        """Close the timed segment, if one is open."""
        if self._since is None:
            return
        if self._synchronise is not None:
            self._synchronise()
        self.elapsed_s += perf_counter() - self._since
        self._since = None
