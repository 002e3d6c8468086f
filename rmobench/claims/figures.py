"""What the figures share: panels, colours, and how they are written. Nothing global is touched.

matplotlib is imported by the functions that draw.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "optimus": "tab:blue",
    "optimus_pose": "tab:cyan",
    "adafactor_mlp": "tab:orange",
    "mlp_lopt": "tab:olive",
    "adam": "tab:pink",
    "adam_tuned": "tab:red",
    "adam_tuned_once": "tab:brown",
    "bfgs": "tab:green",
    "lbfgs": "tab:purple",
    "subspace": "tab:blue",
    "subspace_scalefree": "tab:cyan",
    "rsgd": "tab:olive",
    "rsgd_m": "tab:orange",
    "rasa": "tab:green",
    "radam": "tab:red",
    "kfac": "tab:purple",
    "ingd": "tab:blue",
    "ikfac": "tab:green",
    "singd": "tab:cyan",
    "singd_hierarchical": "tab:olive",
    "adamw": "tab:red",
    "sgd": "tab:orange",
    "lr_heavy_ball": "tab:blue",
    "factor_heavy_ball": "tab:red",
    "factor_adam": "tab:orange",
    "scaled_gd": "tab:green",
    "lora_adamw": "tab:orange",
    "lora_heavy_ball": "tab:red",
    "lr_adam_tangent": "tab:cyan",
    "lr_adam_core": "tab:purple",
    "scaled_adamw": "tab:green",
    "lora_rite": "tab:olive",
    "geolora": "tab:pink",
    "dlrt": "tab:brown",
}
"""One colour per optimizer in every figure; others are grey."""


def panels(n: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with n panels side by side, each of this size in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(n * width, height), layout="constrained")
    return figure, [figure.add_subplot(1, n, i + 1) for i in range(n)]


def dimensions(axes: Axes, ticks: Sequence[int]) -> None:
    """Make a panel's horizontal axis the dimension, logarithmic, with these ticks alone."""
    axes.set(xscale="log", xlabel="dimension")
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.set_xticks([], minor=True)


def reached(axes: Axes, runs: pd.DataFrame, optimizer: str, label: str) -> None:
    """Draw the share of (run, rung) that an optimizer reached by iteration; nothing of one that was not run."""
    import numpy as np

    mine = runs[runs["optimizer"] == optimizer]
    if len(mine):
        hits = np.sort(np.concatenate([np.asarray(h, float) for h in mine["hit_step"]]))
        shares = np.arange(1, len(hits) + 1) / sum(map(len, mine["rungs"]))
        axes.step(np.maximum(hits, 1.0), shares, where="post", color=colour(label), label=label)


def legend(figure: Figure) -> None:
    """Name every line of the figure once, below the panels."""
    named = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=len(named), fontsize=8)


def colour(optimizer: str) -> str:
    """Return an optimizer's colour."""
    return COLOURS.get(optimizer) or COLOURS.get(optimizer.removesuffix("_tuned"), "tab:gray")


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes wherever matplotlib's version is the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure))


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """Return a figure as a PNG file."""
    file = BytesIO()
    figure.savefig(file, dpi=dpi, format="png")
    return file.getvalue()
