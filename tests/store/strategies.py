"""Every kind of record that the types allow, for hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rmobench.types import Environment, Hit, Point, Status, Target
from tests.store import factory

counts = st.integers(0, 2**40)
reals = st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0.0, 1e6)
values = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), reals, st.text(max_size=6), st.none())
metric_names = st.sampled_from(["gap", "objective", "residual", "loss.val", "top-1 accuracy", "step"])

points = st.builds(
    Point,
    step=counts,
    n_loss=counts,
    n_grad=counts,
    n_hvp=counts,
    time_s=seconds,
    metrics=st.dictionaries(metric_names, st.none() | reals, max_size=4),
)

trials = st.builds(
    factory.trial,
    task=st.sampled_from(["rosenbrock", "pca"]),
    optimizer=st.text(min_size=1, max_size=6),
    seed=st.integers(0, 2**62),
    args=st.dictionaries(st.text(max_size=3), values, max_size=3),
    hyper=st.dictionaries(st.text(max_size=3), values, max_size=3),
    optimizer_version=st.integers(0, 9) | st.text(max_size=4),
    weights_sha256=st.none() | st.text(max_size=4),
    label=st.text(max_size=6),
)

targets = st.sampled_from(
    [Target(), Target(metric="top-1 accuracy", rungs=(0.5, 0.9), headline=0.9, mode="max", residual_max={})]
)
environments = st.none() | st.builds(
    lambda machine, commit, at: Environment(
        **{name: getattr(factory.ENVIRONMENT, name) for name in ("memory_bytes", "system", "python", "torch", "numpy")},
        rmobench="0.1.0",
        machine=machine,
        device=machine,
        commit=commit,
        commit_at=at,
    ),
    st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.none() | seconds,
)

_facts = st.fixed_dictionaries(
    {
        "family": st.text(max_size=4),
        "target": targets,
        "status": st.sampled_from(list(Status)),
        "error": st.none() | st.text(max_size=9),
        "trace": st.lists(points, max_size=4).map(tuple),
        "trace_sha256": st.none() | st.text(max_size=4),
        "hits": st.lists(st.builds(Hit, rung=reals, point=points), max_size=3).map(tuple),
        "spent": st.none() | points,
        **{name: st.none() | seconds for name in ("setup_s", "compile_s", "judge_s")},
        **{name: st.none() | counts for name in ("n_params", "model_bytes", "state_bytes", "peak_bytes")},
        "upcast": st.none() | st.text(max_size=4),
        "diagnostics": st.dictionaries(st.text(max_size=4), seconds, max_size=2),
        "environment": environments,
        "started_at": seconds,
    }
)

records = st.builds(lambda plan, facts: replace(factory.record(plan, n_points=0), **facts), trials, _facts)
