"""The storage tracker against hand-counted bytes."""

import gc

import pytest
import torch

from rmobench.harness.memory import StorageTracker, bytes_of


def test_storages_count_once_and_meta_tensors_at_their_size():
    x = torch.zeros(100, dtype=torch.float64)
    assert bytes_of([x, x[:10], x.view(10, 10)]) == 800
    assert bytes_of([x, torch.empty(5, 5, dtype=torch.float32, device="meta")]) == 900
    assert bytes_of([]) == 0


def test_the_peak_is_what_lives_at_once():
    tracker = StorageTracker(widest=torch.float64)
    with tracker:
        a = torch.ones(1000, dtype=torch.float64)
        b = a + 1.0
        del a
        c = b * 2.0
        del b
        gc.collect()
    assert tracker.peak == 16_000
    assert tracker.current == 8_000
    assert c.sum().item() == 4000.0


def test_views_and_in_place_operations_cost_nothing():
    tracker = StorageTracker(widest=torch.float64)
    with tracker:
        a = torch.ones(1000, dtype=torch.float64)
        a.view(10, 100).transpose(0, 1).mul_(2.0)
    assert tracker.peak == 8_000


def test_memory_of_the_backward_pass_is_seen():
    tracker = StorageTracker(widest=torch.float64)
    x = torch.ones(1000, dtype=torch.float64, requires_grad=True)
    with tracker:
        (x**2).sum().backward()
    assert tracker.peak >= 2 * 8_000  # the square and the gradient


@pytest.mark.parametrize("asking", [True, False])
def test_a_wide_value_is_the_optimizers_unless_the_oracle_is_at_work(asking):
    tracker = StorageTracker(widest=torch.bfloat16)
    x = torch.ones(10, dtype=torch.bfloat16)
    with tracker:
        if asking:
            with tracker.asking():
                x.float()
        else:
            x.float()
        torch.tensor(0.5) * 3.0  # one number: a step count, no upcast
    assert tracker.upcasts == (set() if asking else {"_to_copy in float32"})
