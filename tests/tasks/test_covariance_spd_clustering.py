"""Clusters of region covariances: the features, the value, the frozen best."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from rmobench.data import load
from rmobench.errors import ArgumentError
from rmobench.geometry import Spd
from rmobench.registry import tasks
from rmobench.tasks.covariance.regions import clustered, region_covariances
from rmobench.tasks.covariance.spd_clustering import BEST_KNOWN, EACH, KINDS, best_known, spd_clustering
from rmobench.tasks.streams import stream
from tests.tasks.covariance_cases import given
from tests.tasks.frame_cases import build

FOUND = json.loads(BEST_KNOWN.read_text(encoding="utf-8"))


def test_the_covariances_are_those_of_the_features() -> None:
    """Written out for the second image of a four, number 14 of the digits."""
    image = load("digits").inputs[14].reshape(8, 8) / 16.0
    assert load("digits").labels[14] == 4
    rows, columns = np.mgrid[:8, :8] / 7.0
    by_row, by_column = np.gradient(image)
    features = np.stack([rows, columns, image, np.abs(by_row), np.abs(by_column)]).reshape(5, -1)
    M = region_covariances("test", "digits", kinds=(0, 4), each=2)
    torch.testing.assert_close(M[3], torch.tensor(np.cov(features, bias=True)), rtol=0.0, atol=1e-14)
    assert M.shape == (4, 5, 5)


def test_the_value_by_its_definition() -> None:
    problem = build(spd_clustering)
    M, x = given(problem), problem.params["x"].detach()
    distances = torch.stack([Spd().dist(c.expand_as(M), M) for c in x])
    expected = distances.square().amin(0).mean().item()
    assert problem.loss(problem.model, None).item() == pytest.approx(expected, rel=1e-10)


def test_the_start_is_made_of_distinct_images() -> None:
    problem = build(spd_clustering, clusters=3)
    M, x = given(problem), problem.params["x"].detach()
    nearest = [int((M - c).abs().amax((1, 2)).argmin()) for c in x]
    assert len(set(nearest)) == 3
    torch.testing.assert_close(x, M[nearest], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("clusters", sorted(KINDS))
def test_the_frozen_value_is_found_again_and_nothing_lower(clusters: int) -> None:
    M = region_covariances("test", "digits", kinds=KINDS[clusters], each=EACH)
    generator = stream(1, "test")
    found = [clustered(M, clusters, generator)[1] for _ in range(2)]
    assert min(found) == pytest.approx(best_known("digits", clusters), abs=1e-12)


def test_every_frozen_value_says_where_it_comes_from() -> None:
    assert FOUND["task"] == "spd_clustering"
    assert FOUND["task_version"] == tasks()["spd_clustering"].version
    for value in FOUND["values"]:
        provenance = value["provenance"]
        assert provenance["kinds"] == list(KINDS[value["clusters"]])
        assert provenance["each"] == EACH
        assert provenance["data_sha256"] == load(value["data"]).provenance.sha256
        assert 2 * provenance["starts_that_reached_it"] > provenance["starts"]
        assert value["lowest"] <= provenance["highest"]


@pytest.mark.parametrize("args", [{"clusters": 4}, {"data": "wine"}])
def test_arguments_without_a_best_known_value(args: dict[str, object]) -> None:
    said = r"expected arguments with a best known value: data=digits, clusters=2; data=digits, clusters=3\."
    with pytest.raises(ArgumentError, match=rf"^spd_clustering: got data=.*, clusters=\d, {said}"):
        build(spd_clustering, **args)


def test_rows_that_are_no_images() -> None:
    with pytest.raises(ArgumentError, match=r"^test: got data='wine' with 13 entries in a row, expected square images"):
        region_covariances("test", "wine", kinds=(0,), each=1)
