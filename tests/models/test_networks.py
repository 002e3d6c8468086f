"""The networks: layers and shapes as published, starts that are equal at every precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import nn

from rmobench.geometry import Stiefel
from rmobench.models import OrthogonalConv2d, ResNet, frames, resnet18, resnet50, small_cnn, started

CPU = torch.device("cpu")

IN_RESNET50 = {
    (64, 64): 1,
    (147, 64): 1,
    (256, 64): 2,
    (256, 128): 1,
    (512, 128): 3,
    (512, 256): 1,
    (576, 64): 3,
    (1024, 256): 5,
    (1024, 512): 1,
    (1152, 128): 4,
    (2048, 512): 2,
    (2304, 256): 6,
    (4608, 512): 3,
}
"""How many convolutions with out <= in k k have the shape n x p."""

IN_RESNET18 = {
    (147, 64): 1,
    (576, 64): 4,
    (576, 128): 1,
    (1152, 128): 3,
    (1152, 256): 1,
    (2304, 256): 3,
    (2304, 512): 1,
    (4608, 512): 3,
}


def on_meta(build: Callable[[], ResNet]) -> ResNet:
    with torch.device("meta"):
        return build()


def shapes(model: nn.Module) -> Counter[tuple[int, ...]]:
    return Counter(tuple(frame.shape) for frame in frames(model).values())


def n_convolutions(model: nn.Module) -> int:
    return sum(isinstance(module, nn.Conv2d | OrthogonalConv2d) for module in model.modules())


@pytest.mark.parametrize(
    ("build", "convolutions", "weights", "table"),
    [(resnet50, 53, 25_557_032, IN_RESNET50), (resnet18, 20, 11_689_512, IN_RESNET18)],
)
def test_residual_networks_have_the_published_layers(
    build: Callable[..., ResNet], convolutions: int, weights: int, table: dict[tuple[int, int], int]
) -> None:
    """Weights with a thousand classes, as every implementation counts them."""
    model = on_meta(lambda: build(1000))
    assert n_convolutions(model) == convolutions
    assert sum(p.numel() for p in model.parameters()) == weights
    assert shapes(model) == table


def test_33_of_resnet50s_53_convolutions_are_orthogonal() -> None:
    model = on_meta(lambda: resnet50(1000))
    assert (len(frames(model)), len(shapes(model))) == (33, 13)
    wide = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(wide) == 20
    assert all(m.out_channels > m.in_channels * m.kernel_size[0] ** 2 for m in wide)


@pytest.mark.parametrize(("small", "side", "expected"), [(False, 224, (7, 7)), (True, 32, (4, 4)), (True, 28, (4, 4))])
@pytest.mark.parametrize(("build", "channels"), [(resnet18, 512), (resnet50, 2048)])
def test_feature_maps_have_the_published_sizes(
    build: Callable[..., ResNet], channels: int, small: bool, side: int, expected: tuple[int, int]
) -> None:
    model = on_meta(lambda: build(10, in_channels=3, small_images=small))
    images = torch.empty(2, 3, side, side, device="meta")
    assert model.blocks(model.stem(images)).shape == (2, channels, *expected)
    assert model(images).shape == (2, 10)


def test_the_stride_of_a_bottleneck_is_in_its_first_convolution() -> None:
    model = on_meta(lambda: resnet50(10))
    first_of_second_stage = model.blocks[3].path
    assert [m.stride for m in first_of_second_stage if isinstance(m, OrthogonalConv2d)][:2] == [2, 1]


@pytest.mark.parametrize(("channels", "kinds"), [(1, 10), (3, 7)])
def test_the_small_network(channels: int, kinds: int) -> None:
    model = started(lambda: small_cnn(kinds, in_channels=channels), seeded(), device=CPU, dtype=torch.float32)
    assert shapes(model) == {(25 * channels, 16): 1, (144, 32): 1, (288, 64): 1}
    assert n_convolutions(model) == 3
    assert model(torch.zeros(2, channels, 28, 28)).shape == (2, kinds)
    if channels == 1:
        assert sum(p.numel() for p in model.parameters()) == 24_314


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed() -> nn.Module:
    """Every kind of layer that a start knows."""
    return nn.Sequential(
        OrthogonalConv2d(1, 8, 3), nn.Conv2d(8, 1000, 1, bias=False), nn.BatchNorm2d(1000), nn.Linear(1000, 5)
    )


def test_a_start_is_drawn_by_its_formulas() -> None:
    """Normal with variance 2 / out, 8,000 entries: the share of an error of the deviation is 1 / sqrt(16,000)."""
    conv, wide, norm, linear = started(mixed, seeded(), device=CPU, dtype=torch.float64)
    assert Stiefel().residual(conv.frame).item() < 1e-13
    assert wide.weight.std().item() == pytest.approx((2.0 / 1000.0) ** 0.5, rel=5.0 / 16_000**0.5)
    assert norm.weight.eq(1.0).all()
    assert norm.bias.eq(0.0).all()
    assert norm.running_mean.eq(0.0).all()
    assert norm.running_var.eq(1.0).all()
    assert norm.num_batches_tracked.item() == 0
    assert linear.weight.abs().max().item() == pytest.approx(1000.0**-0.5, rel=1e-2)
    assert linear.bias.eq(0.0).all()


def test_starts_are_equal_at_every_precision_up_to_rounding() -> None:
    exact = started(mixed, seeded(), device=CPU, dtype=torch.float64)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        stored = started(mixed, seeded(), device=CPU, dtype=dtype)
        for (name, a), b in zip(exact.named_parameters(), stored.parameters(), strict=True):
            assert b.dtype == dtype
            assert torch.equal(a.to(dtype), b), name


def test_the_generator_draws_and_torchs_own_stream_does_not() -> None:
    before = torch.get_rng_state()
    first, again, other = (started(mixed, seeded(s), device=CPU, dtype=torch.float32) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0].frame, again[0].frame)
    assert torch.equal(first[3].weight, again[3].weight)
    assert not torch.equal(first[0].frame, other[0].frame)
