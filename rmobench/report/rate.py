"""A column of the progress bar."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.text import Text


class Rate(ProgressColumn):
    """Trials per second, or per minute or hour where that says more."""

    def render(self, task: Task) -> Text:
        """Show the rate over the last minutes, once there are two trials to tell it from."""
        per_s = task.finished_speed or task.speed
        return Text(rate(per_s) if per_s else "", style="progress.data.speed")


def rate(per_s: float) -> str:
    """Say a rate of trials in the unit in which it is at least one.

    Args:
        per_s: Trials per second.
    """
    for seconds, unit in ((1.0, "s"), (60.0, "min")):
        if per_s * seconds >= 1.0:
            return f"{per_s * seconds:.3g}/{unit}"
    return f"{per_s * 3600.0:.3g}/h"
