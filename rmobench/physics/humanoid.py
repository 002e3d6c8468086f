"""The adult that this room carries: its body, and the skeleton of Human3.6M on it."""

from __future__ import annotations

from pathlib import Path

import torch

from rmobench.errors import MissingDependencyError
from rmobench.physics.body import Body

MODEL = Path(__file__).with_name("humanoid.xml")
"""The MJCF file, which MuJoCo's viewer shows too."""

PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
"""For each landmark the one that it hangs on: the tree of Human3.6M's 17 joints; -1 for the hip."""


def humanoid(*, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Body:
    """Return an adult of 73.0 kg: 13 bodies, 34 degrees of freedom, 17 landmarks, 24 points that feel the ground.

    Its lengths (m), masses (kg) and inertias (kg m^2) with their sources are in humanoid.xml.

    Raises:
        MissingDependencyError: mujoco, which reads the model, is not installed.
    """
    try:
        from rmobench.physics.mjcf import read_mjcf
    except ImportError as error:
        raise MissingDependencyError(
            "humanoid: mujoco, which reads the model, is not installed. Install it with `pip install rmobench[pose]`."
        ) from error
    return read_mjcf(MODEL.read_text(encoding="utf-8")).to(dtype=dtype, device=device)
