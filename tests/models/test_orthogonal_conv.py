"""The convolution whose parameter is a frame: what it computes, where it starts, which layers it is for."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from rmobench.errors import ArgumentError
from rmobench.geometry import Stiefel
from rmobench.models import OrthogonalConv2d, convolution, frames

ROUNDING = 1e-12
"""Some thousand roundings of numbers near 1 in float64."""


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def layer(*shape: int, **options: int) -> OrthogonalConv2d:
    made = OrthogonalConv2d(*shape, **options).double()
    made.reset_parameters(seeded())
    return made


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
def test_it_is_the_convolution_with_the_folded_frame(stride: int, padding: int) -> None:
    """M = reshape(W, out, in k k)^T."""
    W = torch.randn(5, 3, 3, 3, generator=seeded(), dtype=torch.float64)
    ours = layer(3, 5, 3, stride=stride, padding=padding)
    with torch.no_grad():
        ours.frame.copy_(W.reshape(5, 27).T)
    images = torch.randn(2, 3, 8, 8, generator=seeded(), dtype=torch.float64)
    theirs = conv2d(images, W, stride=stride, padding=padding)
    torch.testing.assert_close(ours(images), theirs, rtol=0.0, atol=ROUNDING)


def test_every_output_is_a_projection_of_a_patch() -> None:
    """Orthonormal columns: a patch's outputs are never longer than the patch, and with p = n exactly as long."""
    images = torch.randn(2, 3, 6, 6, generator=seeded(), dtype=torch.float64)
    patches = nn.functional.unfold(images, 2).square().sum(1)
    wide, square = (layer(3, p, 2)(images).flatten(2).square().sum(1) for p in (5, 12))
    assert (wide <= patches + ROUNDING).all()
    torch.testing.assert_close(square, patches, rtol=0.0, atol=ROUNDING)


@pytest.mark.parametrize(("shape", "frame"), [((1, 16, 5), (25, 16)), ((64, 64, 1), (64, 64)), ((4, 8, 3), (36, 8))])
def test_the_frame_is_n_by_p_and_starts_on_the_manifold(shape: tuple[int, ...], frame: tuple[int, int]) -> None:
    made = layer(*shape)
    assert tuple(made.frame.shape) == frame
    assert Stiefel().residual(made.frame).item() < ROUNDING


def test_the_start_is_uniform() -> None:
    """The mean of a Haar frame's entry is 0, of its square 1 / n; 4,000 draws leave 1 / sqrt(4000 n) and less."""
    n, p = 4, 2
    made = layer(n, p, 1)
    generator = seeded()
    drawn = []
    for _ in range(4000):
        made.reset_parameters(generator)
        drawn.append(made.frame.detach().clone())
    entries = torch.stack(drawn)
    assert entries.mean(0).abs().max() < 5.0 / (4000 * n) ** 0.5
    assert (entries.square().mean(0) - 1.0 / n).abs().max() < 5.0 / (4000 * n) ** 0.5


def test_a_generator_draws_and_torchs_own_stream_does_not() -> None:
    made = layer(3, 5, 3)
    first, state = made.frame.detach().clone(), torch.get_rng_state()
    made.reset_parameters(seeded())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(made.frame, first)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((64, 64, 1), OrthogonalConv2d), ((64, 65, 1), nn.Conv2d), ((1, 9, 3), OrthogonalConv2d), ((1, 10, 3), nn.Conv2d)],
)
def test_a_layer_is_orthogonal_where_its_columns_can_be(shape: tuple[int, int, int], kind: type) -> None:
    made = convolution(*shape, stride=2, padding=1)
    assert type(made) is kind
    side = (6 + 2 - shape[2]) // 2 + 1
    assert made(torch.zeros(2, shape[0], 6, 6)).shape == (2, shape[1], side, side)
    assert len(list(made.parameters())) == 1


def test_a_layer_that_is_too_wide() -> None:
    with pytest.raises(ArgumentError, match=r"^OrthogonalConv2d: got 10 outputs, expected at most in k k = 9\.$"):
        OrthogonalConv2d(1, 10, 3)


def test_frames_are_found_by_their_parameters_names() -> None:
    model = nn.Sequential(OrthogonalConv2d(1, 4, 3), nn.Sequential(nn.Conv2d(4, 9, 1), OrthogonalConv2d(9, 2, 1)))
    found = frames(model)
    assert list(found) == ["0.frame", "1.1.frame"]
    assert all(dict(model.named_parameters())[name] is frame for name, frame in found.items())
    assert list(frames(model[0])) == ["frame"]
