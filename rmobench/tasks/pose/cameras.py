"""Pinhole cameras with lens distortion, and four that stand as those of Human3.6M do."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rmobench.errors import ArgumentError

SIZE_PX = (1000, 1000)
"""Width and height of a picture."""

NEAREST_M = 0.1
"""Points nearer than this to a camera, or behind it, are seen as if they were so far ahead: a wild iterate has a large
error, not an infinite one."""

FOCAL_PX = (1145.0, 1145.0)
CENTRE_PX = (512.0, 512.0)
RADIAL = (-0.2, 0.24, -0.002)
TANGENTIAL = (-0.001, -0.001)
"""About what Human3.6M's calibration says of each of its cameras."""

PLACES_M = ((2.0, 5.0, 1.6), (2.0, -5.0, 1.6), (-2.0, 5.0, 1.6), (-2.0, -5.0, 1.6))
"""Corners of a hall: about where Human3.6M's cameras stand."""

AIM_M = (0.0, 0.0, 0.9)
"""Where they look: at a standing person's hip in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cameras:
    """Some pinhole cameras; a camera's x axis points right in its picture, y down, z ahead."""

    rotation: Tensor  # [cameras, 3, 3] from the world's axes to the camera's
    place_m: Tensor  # [cameras, 3] of the pinhole, in the world
    focal_px: Tensor  # [cameras, 2]
    centre_px: Tensor  # [cameras, 2] where the z axis meets the picture
    radial: Tensor  # [cameras, 3] k1, k2, k3
    tangential: Tensor  # [cameras, 2] p1, p2

    def to(self, like: Tensor) -> Cameras:
        """Return the same cameras in a tensor's precision, on its device."""
        return Cameras(**{field.name: getattr(self, field.name).to(like) for field in fields(self)})


def project(cameras: Cameras, points: Tensor) -> Tensor:
    """Return where each camera sees points, in px; [cameras, ..., 2].

    With x, y = X/Z, Y/Z and r^2 = x^2 + y^2, the lens moves x to x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y +
    p2 (r^2 + 2 x^2) and y to y (1 + ...) + p1 (r^2 + 2 y^2) + 2 p2 x y. Points outside the picture are not cut off.
    Source: Brown 1966, Decentering distortion of lenses; in this form: Heikkilä, Silvén 1997, A four-step camera
    calibration procedure, CVPR.

    Args:
        cameras: That see them.
        points: In the world, in m [..., 3].
    """
    n_cameras, between = len(cameras.place_m), (1,) * (points.ndim - 1)
    seen = points - cameras.place_m.reshape(n_cameras, *between, 3)
    seen = torch.einsum("cij,c...j->c...i", cameras.rotation, seen)
    xy = seen[..., :2] / seen[..., 2:].clamp_min(NEAREST_M)
    k1, k2, k3 = (k.reshape(n_cameras, *between, 1) for k in cameras.radial.unbind(dim=-1))
    p = cameras.tangential.reshape(n_cameras, *between, 2)
    r2 = xy.square().sum(dim=-1, keepdim=True)
    stretch = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    decentred = 2.0 * xy * (xy * p.flip(-1)).sum(dim=-1, keepdim=True) + r2 * p.flip(-1)
    focal, centre = (v.reshape(n_cameras, *between, 2) for v in (cameras.focal_px, cameras.centre_px))
    pixels: Tensor = focal * (stretch * xy + decentred) + centre
    return pixels


def looking_at(place_m: Tensor, aim_m: Tensor) -> Tensor:
    """Return the rotation of upright cameras [..., 3, 3]: its rows are right, down and ahead in the world, z up.

    Args:
        place_m: Of the cameras [..., 3].
        aim_m: Points in the middle of their pictures [..., 3]; not straight above or below them.

    Raises:
        ArgumentError: A camera looks straight up or down, so that upright has no meaning.
    """
    ahead = torch.nn.functional.normalize(aim_m - place_m, dim=-1)
    up = torch.zeros_like(ahead)
    up[..., 2] = 1.0
    right = torch.linalg.cross(ahead, up)
    if bool((torch.linalg.vector_norm(right, dim=-1) < 1e-6).any()):
        raise ArgumentError(
            f"looking_at: got places {place_m.tolist()} and aims {aim_m.tolist()}, expected no camera to look straight "
            "up or down."
        )
    right = torch.nn.functional.normalize(right, dim=-1)
    return torch.stack([right, torch.linalg.cross(ahead, right), ahead], dim=-2)


def human36m_like(
    middle_m: tuple[float, float] = (0.0, 0.0),
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Cameras:
    """Return four cameras with lenses and places about as in Human3.6M, in round numbers; pictures of SIZE_PX.

    Args:
        middle_m: Of the hall that they stand around, along x and y.
        dtype: Of the tensors.
        device: Of the tensors.

    Source: Ionescu, Papava, Olaru, Sminchisescu 2014, Human3.6M, IEEE TPAMI 36(7), sec. 2.
    """

    def each(*values: float) -> Tensor:
        return torch.tensor([values] * len(PLACES_M), dtype=dtype, device=device)

    middle = each(*middle_m, 0.0)
    place_m = torch.tensor(PLACES_M, dtype=dtype, device=device) + middle
    return Cameras(
        rotation=looking_at(place_m, each(*AIM_M) + middle),
        place_m=place_m,
        focal_px=each(*FOCAL_PX),
        centre_px=each(*CENTRE_PX),
        radial=each(*RADIAL),
        tangential=each(*TANGENTIAL),
    )
