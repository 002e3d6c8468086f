"""A fit as stick figures: where a person was seen, where the fit began, where it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rmobench.physics.humanoid import PARENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_FRAMES = 5

COLOURS = {"seen": "0.7", "start": "tab:red", "fit": "tab:blue"}
"""In the order of drawing."""


def stick_figures(fits: Mapping[str, Mapping[str, Tensor]], *, n_frames: int = N_FRAMES) -> Figure:
    """Draw fits, a row each, at frames from the first to the last.

    Args:
        fits: By what stands beside the row: joints (m) [frames, 17, 3] by the keys of COLOURS.
        n_frames: Panels of a row.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 * n_frames, 2.6 * len(fits)), layout="constrained")
    for row, (name, motions) in enumerate(fits.items()):
        seen = motions["seen"]
        across = _sideways(seen)
        for column in range(n_frames):
            frame = round(column * (len(seen) - 1) / (n_frames - 1))
            axes = figure.add_subplot(len(fits), n_frames, row * n_frames + column + 1)
            middle = (seen[frame, 0] @ across).item()
            for kind, colour in COLOURS.items():
                _stick(axes, motions[kind][frame], across, colour, kind)
            axes.axhline(0.0, color="0.3", linewidth=0.8)
            axes.set(xlim=(middle - 1.0, middle + 1.0), ylim=(-0.1, 2.1), aspect="equal", xticks=[], yticks=[])
            axes.set_title(f"{name}, frame {frame}" if column == 0 else f"frame {frame}", fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return figure


def _sideways(seen: Tensor) -> Tensor:
    """Return the horizontal direction [3] in which the picture's x axis points: that of the way, or of the front."""
    way = seen[-1, 0] - seen[0, 0]
    left = seen[0, 4] - seen[0, 1]
    if torch.linalg.vector_norm(way[:2]) < 0.1:
        way = torch.stack([left[1], -left[0], torch.zeros_like(left[0])])
    way = way * way.new_tensor([1.0, 1.0, 0.0])
    unit: Tensor = way / torch.linalg.vector_norm(way)
    return unit


def _stick(axes: Axes, joints: Tensor, across: Tensor, colour: str, kind: str) -> None:
    x, z = (joints @ across).tolist(), joints[:, 2].tolist()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            label = kind if joint == 1 else None
            axes.plot([x[parent], x[joint]], [z[parent], z[joint]], color=colour, linewidth=1.6, label=label)
