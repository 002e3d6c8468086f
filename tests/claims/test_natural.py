"""Claims about natural gradients that are computed afresh: what they count, and that they could come out otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from rmobench.claims import Evidence, Finding, Verdict, choose_claims, draw, examine
from rmobench.claims.counted import STRUCTURES
from rmobench.claims.published import gnc_equals_exact_momentum as equal
from rmobench.claims.published import ikfac_follows_kfac as follows
from rmobench.claims.published import inverse_free, singd_memory
from rmobench.curvature import STRUCTURES as KNOWN

NOTHING = Evidence(runs={})
FOUND = 0.1
"""How near the errors of ten seeds come to those that were noted."""


def found(name: str) -> Finding:
    (claim,) = choose_claims(name)
    return examine(claim, NOTHING)


@pytest.mark.parametrize("name", ["gnc_equals_exact_momentum", "ikfac_follows_kfac", "inverse_free", "singd_memory"])
def test_it_holds_without_records(name: str) -> None:
    finding = found(name)
    assert finding.verdict is Verdict.holds
    assert finding.notes[-1].startswith(("Computed when", "Counted when"))


def test_every_structure_is_counted() -> None:
    assert set(STRUCTURES) == set(KNOWN)


# --- GNC is exact momentum ---------------------------------------------------------------------------------


def test_what_decides_is_the_largest_deviation_of_all_problems() -> None:
    (largest,) = found("gnc_equals_exact_momentum").deciding
    assert 0.0 < largest.value.value < equal.LEAST
    assert largest.value.value == max(float(f"{equal.deviations(t, equal.OURS).max():.0e}") for t in equal.TASKS)


@pytest.mark.parametrize("task", equal.TASKS)
def test_another_map_would_not_pass(task: str) -> None:
    assert equal.deviations(task, "gnc").max() > 1e-5


@pytest.mark.parametrize("task", equal.BEYOND)
def test_beyond_the_conditions_that_decide_the_oracle_does_not_even_agree_with_itself(task: str) -> None:
    ours, nudged = (
        equal.deviations(task, name, nudged=b).max() for name, b in ((equal.OURS, False), (equal.ORACLE, True))
    )
    assert nudged > equal.LEAST
    assert ours < 10.0 * nudged


# --- IKFAC follows KFAC ------------------------------------------------------------------------------------


def test_the_errors_are_near_those_that_were_noted() -> None:
    assert follows.errors().mean(0) == pytest.approx(list(follows.NOTED.values()), rel=FOUND)


def test_the_order_is_that_of_a_power() -> None:
    steps = np.array(list(follows.NOTED))
    made = np.stack([0.3 * steps, 2.0 * steps**2, 0.1 * steps**0.5])
    assert follows.slopes(made) == pytest.approx([1.0, 2.0, 0.5])


# --- no inverse --------------------------------------------------------------------------------------------


def test_one_kernel_would_decide_against_it() -> None:
    seen = {"kfac": ("cholesky_inverse",)}
    assert inverse_free.counted({"ours": ()}, seen).verdict is Verdict.holds
    assert inverse_free.counted({"ours": (), "other": ("linalg_eigh",)}, seen).verdict is Verdict.does_not_hold


def test_an_audit_that_does_not_see_the_controls_decides_nothing() -> None:
    finding = inverse_free.counted({"ours": ()}, {"kfac": ()})
    assert finding.verdict is Verdict.undecided
    assert "no factorisation in kfac" in finding.notes[0]


def test_the_controls_are_seen() -> None:
    controls = [m for m in found("inverse_free").measures if m.name.startswith("control")]
    assert [m.value.value > 0.0 for m in controls] == [True] * 3
    assert "cholesky_inverse" in controls[0].name and "_linalg_eigh" in controls[1].name


# --- memory ------------------------------------------------------------------------------------------------

SIDES = (785, 256, 257, 128, 129, 10)
"""Of the factors of the MLP's three layers, biases included."""

PARAMETERS = 256 * 785 + 128 * 257 + 10 * 129
ADAMW = 2 * PARAMETERS + 6  # two means, and a count for each of six parameters


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("dense", 2 * sum(d * d for d in SIDES)),  # each with a momentum
        ("kfac", 2 * sum(d * d for d in SIDES)),  # each with an inverse
        ("diagonal", 2 * sum(SIDES)),
    ],
)
def test_bytes_are_those_of_momenta_and_factors(name: str, factors: int) -> None:
    over_adamw, over_parameters = singd_memory.bytes_over(name, "digits_mlp")
    assert over_adamw == pytest.approx((PARAMETERS + factors) / ADAMW, rel=1e-12)
    assert over_parameters == pytest.approx((PARAMETERS + factors) / PARAMETERS, rel=1e-12)


def test_dense_factors_would_not_pass() -> None:
    dense = [m.value.value for m in found("singd_memory").measures if ", singd, dense" in m.name]
    assert len(dense) == 3 and min(dense) > 1.0


# --- figures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_lines"), [("gnc_equals_exact_momentum", [13, 5]), ("ikfac_follows_kfac", [13]), ("singd_memory", [1])]
)
def test_figures_are_drawn(name: str, n_lines: list[int]) -> None:
    (claim,) = choose_claims(name)
    assert [len(axes.lines) for axes in draw(claim, NOTHING).axes] == n_lines
