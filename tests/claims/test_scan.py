"""The claims as registered: files, names, suites."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rmobench.claims import choose_claims, claims
from rmobench.errors import UnknownNameError
from rmobench.harness.suite import suites
from rmobench.types import PRECISIONS

ALL = choose_claims()
COMPUTED = {"gnc_equals_exact_momentum", "ikfac_follows_kfac", "inverse_free", "singd_memory"}
"""Claims about steps and modules, which need no records."""


def test_the_claims_of_optimus_are_there():
    assert {"optimus_iterations", "optimus_dimension", "optimus_metatraining", "optimus_cost"} <= set(claims())


def test_every_file_is_named_like_its_claim():
    assert tuple(claim.name for claim in ALL) == claims()


@pytest.mark.parametrize("claim", ALL, ids=claims())
def test_every_claim_says_what_it_is_and_what_it_needs(claim):
    for text in (claim.source, claim.statement, claim.measurement, claim.not_covered):
        assert text.endswith(".") or text == claim.source
        assert len(text) > 20
    assert bool(claim.suites or claim.metatraining) is (claim.name not in COMPUTED)
    for name in (*claim.suites, *claim.figure_suites):
        base = name.removesuffix("_tuned")  # `rmobench tune` writes the others, perhaps at a precision
        assert {base, *(base.removesuffix(f"_{precision}") for precision in PRECISIONS)} & suites().keys()


def test_one_claim_by_name():
    assert [claim.name for claim in choose_claims("optimus_cost")] == ["optimus_cost"]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no claim named 'optimus_costs'\. Did you mean 'optimus_cost'"):
        choose_claims("optimus_costs")


def test_listing_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys; from rmobench.claims import choose_claims; choose_claims()\n"
        "bad = {'torch', 'matplotlib'} & sys.modules.keys()\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
