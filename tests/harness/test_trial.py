"""One trial from plan to record: precisions, memory, times, statuses."""

import pytest
import torch

from rmobench.harness.environment import environment
from rmobench.harness.plan import plan
from rmobench.harness.trial import classify, finite, run_trial
from rmobench.registry import choose_optimizers, choose_tasks
from rmobench.types import Status


def trial(task="rosenbrock[dim=2]", optimizer="adam", *, n_calls=60, **changes):
    (only,) = plan(choose_tasks(task), choose_optimizers(optimizer), seeds=[0], n_calls=n_calls, **changes).trials
    return run_trial(only)


def test_a_record_carries_everything_that_was_measured():
    record = trial()
    assert record.status == Status.budget
    assert record.spent.n_grad == record.spent.step == 60
    assert record.trace[0].step == 0 and record.trace[-1].step == 60
    assert record.trace[0].metrics["gap"] == pytest.approx(1.0)
    times = (record.setup_s, record.compile_s, record.judge_s, record.spent.time_s)
    assert all(t > 0 for t in times)
    assert record.n_params == 2
    assert record.state_bytes == 2 * 2 * 8 + 4  # two moments of two doubles, and torch's step count
    assert record.peak_bytes > record.state_bytes
    assert record.model_bytes == 0
    assert record.environment.torch == torch.__version__
    assert record.started_at > 1.7e9


ACCOUNTED = ("trainable_bytes", "frozen_bytes", "gradient_bytes", "activation_bytes", "transient_bytes")
"""Where the memory went, which every record says."""


def test_what_an_optimizer_says_of_itself_arrives_in_the_record():
    record = trial("pca_digits", "subspace", n_calls=5)
    assert record.diagnostics.keys() == {"saturated", "stagnation", *ACCOUNTED}
    assert 0.0 <= record.diagnostics["saturated"] <= 1.0
    plain = trial(n_calls=5).diagnostics
    assert plain.keys() == {"stagnation", *ACCOUNTED}
    assert plain["stagnation"] == 0.0


def test_the_solved_trial_stops_at_the_last_rung():
    record = trial("quadratic", "bfgs", n_calls=500)
    assert record.status == Status.solved
    assert [h.rung for h in record.hits] == list(record.target.rungs)
    assert record.hits[-1].point.step == record.spent.step < 500


def test_the_start_depends_on_the_seed_and_not_on_the_optimizer():
    assert trial(optimizer="adam").trace[0].metrics == trial(optimizer="bfgs").trace[0].metrics


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("fp64", "float64"), ("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16"), ("bf16-amp", "float32")],
)
def test_the_precision_is_the_storage_of_parameters_and_state(precision, dtype):
    record = trial("sphere", precisions=[precision])
    assert record.status == Status.budget, record.error
    width = getattr(torch, dtype).itemsize
    assert record.state_bytes == 2 * 10 * width + 4
    assert record.trial.precision == precision


def test_low_precision_is_judged_in_double():
    """The start is rounded to bfloat16, its objective is not: 8 bits would not hold it."""
    objective = trial("rosenbrock", precisions=["bf16"]).trace[0].metrics["objective"]
    assert torch.tensor(objective, dtype=torch.bfloat16).item() != objective


def test_amp_lowers_products_and_nothing_else():
    amp = trial("matrix_quadratic", precisions=["bf16-amp"]).trace[-1].metrics["gap"]
    full = trial("matrix_quadratic", precisions=["fp32"]).trace[-1].metrics["gap"]
    assert amp != full
    assert amp == pytest.approx(full, rel=0.2)


def test_upcasts_are_marked_and_honest_optimizers_are_not():
    assert trial("rosenbrock", "adam", precisions=["fp32"]).upcast is None
    assert trial("rosenbrock", "bfgs", precisions=["fp32"]).upcast.startswith("declares float64")
    assert trial("rosenbrock", "tests.harness.upcasting:HiddenDouble", precisions=["fp32"]).upcast.startswith(
        "_to_copy in float64"
    )
    assert trial("rosenbrock", "tests.harness.upcasting:HiddenDouble", precisions=["fp64"]).upcast is None


def test_geometry_widens_half_precision_only():
    assert trial("pca_digits", "rsgd", precisions=["fp32"], n_calls=5).upcast is None
    assert trial("pca_digits", "rsgd", precisions=["bf16"], n_calls=5).upcast.startswith("declares float32")


def test_the_peak_is_the_optimizers_and_not_the_judges():
    """Gradient descent on d entries holds x, its gradient and the loss's own values; low precision saves."""
    peaks = {p: trial("sphere[dim=1000]", "gradient_descent", precisions=[p]).peak_bytes for p in ("fp64", "bf16")}
    assert 2 * 8000 <= peaks["fp64"] < 5 * 8000
    assert peaks["bf16"] == pytest.approx(peaks["fp64"] / 4, rel=0.05)


def test_the_peak_holds_a_state_that_fills_after_the_rehearsal():
    record = trial("rosenbrock[dim=200]", "lbfgs[history_size=50]", n_calls=150)
    assert record.peak_bytes >= record.state_bytes > 2 * 50 * 200 * 8


def test_a_missing_kernel_is_named_as_such():
    for message in (
        "\"geqrf_cpu\" not implemented for 'BFloat16'",
        "linalg.eigh: Low precision dtypes not supported. Got Half",
    ):
        assert classify(RuntimeError(message)).status == Status.unsupported_dtype
    assert classify(TypeError("unsupported operand type(s) for +")).status == Status.failed


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."),
    ],
)
def test_running_out_of_memory_is_named_as_such(error):
    assert classify(error).status == Status.oom


def test_tf32_on_the_cpu_is_a_skip_with_its_reason():
    nothing = plan(choose_tasks("sphere"), choose_optimizers("adam"), seeds=[0], precisions=["tf32"])
    assert nothing.trials == ()
    assert [s.reason for s in nothing.skips] == ["tf32 exists on CUDA devices only"]


def test_leaving_the_domain_is_infeasible():
    """Schwefel's function falls without bound outside its box: lower there is no hit."""
    record = trial("schwefel[dim=2]", "gradient_descent[lr=1000.0]", n_calls=200)
    assert record.status == Status.infeasible
    assert record.spent.metrics["residual"] > 0


def test_the_environment_names_no_host_and_no_user():
    import getpass
    import platform

    said = str(environment())
    assert platform.node() not in said
    assert f"/{getpass.getuser()}/" not in said


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp64", "fp32", "tf32", "bf16", "fp16", "bf16-amp"])
def test_cuda_trials_carry_the_allocators_peak(precision):
    record = trial("matrix_quadratic[rows=64,columns=64]", device="cuda", precisions=[precision])
    assert record.status in {Status.budget, Status.solved}, record.error
    assert record.peak_bytes >= record.state_bytes > 0
    assert "NVIDIA" in record.environment.device
    assert record.environment.cuda


@pytest.mark.gpu
def test_cuda_and_cpu_agree_in_double():
    gpu, cpu = trial("quadratic", device="cuda"), trial("quadratic")
    assert gpu.spent.metrics["gap"] == pytest.approx(cpu.spent.metrics["gap"], rel=1e-6)


def test_what_an_optimizer_says_of_itself_is_kept_where_it_is_a_finite_number():
    """A record is JSON; with a NaN in it nobody could read it again."""
    assert finite({"share": 0.5, "lost": float("nan"), "far": float("inf")}) == {"share": 0.5}
