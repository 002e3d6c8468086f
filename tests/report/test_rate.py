"""The progress bar's rate."""

import pytest

from rmobench.report.rate import rate


@pytest.mark.parametrize(
    ("per_s", "said"), [(12.34, "12.3/s"), (1.0, "1/s"), (0.5, "30/min"), (1 / 60, "1/min"), (0.001, "3.6/h")]
)
def test_it_is_told_in_a_unit_in_which_it_is_at_least_one(per_s, said):
    assert rate(per_s) == said
