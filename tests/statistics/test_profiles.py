"""The profile of a table made by hand, and the ECDF of one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from rmobench.statistics.ecdf import areas as ecdf_areas
from rmobench.statistics.ecdf import curves
from rmobench.statistics.hits import costs
from rmobench.statistics.profiles import areas, profile, ratios
from tests.statistics.records import solved, table, trial

INF, NAN = np.inf, np.nan
#                a     b     c
ERT = np.array([[10.0, 20.0, NAN],    # c was not attempted
                [40.0, 10.0, INF],    # c did not solve it
                [INF, INF, INF],      # nobody did
                [8.0, 64.0, 8.0]])  # fmt: skip
RATIO = np.array([[1.0, 2.0, NAN], [4.0, 1.0, INF], [INF, INF, INF], [1.0, 8.0, 1.0]])


def test_ratios_to_the_best():
    np.testing.assert_array_equal(ratios(ERT), RATIO)


def test_profile_counts_attempted_tasks_only():
    found = profile(RATIO, np.array([1.0, 2.0, 4.0, 100.0]))
    np.testing.assert_allclose(
        found, [[2 / 4, 1 / 4, 1 / 3], [2 / 4, 2 / 4, 1 / 3], [3 / 4, 2 / 4, 1 / 3], [3 / 4, 3 / 4, 1 / 3]]
    )


def test_areas_by_hand():
    """1 - log2(ratio) / 2, cut to [0, 1]."""
    np.testing.assert_allclose(areas(RATIO), [[1.0, 0.5, NAN], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])


def test_the_mean_area_is_the_integral_of_the_profile():
    """Trapezoids on 2^16 points of the log2 axis, against steps: one part in 2^14 is the width of their corners."""
    ratio = np.exp(np.random.default_rng(0).exponential(size=(50, 3)))
    s = np.linspace(0.0, 2.0, 2**16)
    integral = integrate.trapezoid(profile(ratio, 2.0**s), s, axis=0) / 2.0
    np.testing.assert_allclose(areas(ratio).mean(0), integral, atol=2**-14)


def test_ecdf_steps_over_every_task_rung_and_seed():
    (curve,) = curves(table(solved(20, seed=0), trial({1e-1: 10}, seed=1), trial(seed=2)))
    np.testing.assert_allclose(curve.cost, [0.1, 0.2])
    np.testing.assert_allclose(curve.share, [2 / 6, 3 / 6])
    (absolute,) = curves(table(solved(20)), relative=False)
    np.testing.assert_allclose(absolute.cost, [10.0, 20.0])


@pytest.mark.parametrize(("hits", "area"), [({}, 0.0), ({1e-1: 1, 1e-2: 100}, 1 / 3), ({1e-1: 10}, 1 / 6)])
def test_ecdf_area_is_in_decades_before_the_budget(hits, area):
    """On an axis of three decades, a call of a hundred is two decades early, ten calls are one; there are two rungs."""
    found = ecdf_areas(costs(table(trial(hits)), axis="n_grad"), "n_grad")
    assert found["adam"] == pytest.approx(area)
