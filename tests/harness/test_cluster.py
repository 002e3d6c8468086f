"""Ray runs trials as the local pool does: the same records, and no socket that others can reach."""

import ipaddress
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch

from rmobench.errors import ArgumentError, InputError, MissingDependencyError
from rmobench.harness.cluster import Ask, sweep_on_ray
from rmobench.harness.suite import Sweep, expand
from rmobench.store import statuses, write
from rmobench.types import Status
from tests.harness.engines import digests, needs_ray, planned, without_ray

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ray leaves files open


# --- without Ray -------------------------------------------------------------------------------------------


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'rmobench\[cluster\]'"):
        sweep_on_ray([], save=print)


def test_ray_is_imported_only_when_it_is_asked():
    code = "import sys, rmobench.harness.cluster; print([m for m in sys.modules if m == 'ray'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"gpus": 0.0}, "part of one GPU"),
        ({"gpus": 2.0}, "part of one GPU"),
        ({"address": "ray://head:10001"}, "expected 'host:port' or 'auto'"),
        ({"address": "local"}, "expected 'host:port' or 'auto'"),
    ],
)
@needs_ray
def test_what_ray_cannot_be_told_is_refused_at_once(how, said):
    with pytest.raises(ArgumentError, match=said):
        sweep_on_ray(planned(), save=print, **how)


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_an_address_where_no_cluster_is_is_told_at_once(address):
    with pytest.raises(InputError, match=f"no Ray at {address}"):
        next(sweep_on_ray(planned(), save=print, address=address))


@pytest.mark.parametrize(
    ("ask", "resources", "n"),
    [
        (Ask(1, 0.0), {"CPU": 8.0}, 8),
        (Ask(3, 0.0), {"CPU": 8.0}, 2),
        (Ask(1, 0.0), {"GPU": 1.0}, 0),
        (Ask(1, 1.0), {"CPU": 8.0}, 0),
        (Ask(1, 1.0), {"CPU": 8.0, "GPU": 2.0}, 2),
        (Ask(1, 0.4), {"CPU": 8.0, "GPU": 2.0}, 4),  # no trial takes of two GPUs
        (Ask(4, 0.1), {"CPU": 8.0, "GPU": 2.0}, 2),
    ],
)
def test_a_machine_holds_what_cores_and_gpus_allow(ask, resources, n):
    assert ask.fit(resources) == n


# --- on this machine ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Own and foreign trials, some of which misbehave, in one sweep; the sockets that listen meanwhile."""
    store = tmp_path_factory.mktemp("ran")
    own = planned()
    foreign = tuple(f"tests.harness.{name}" for name in ("misbehaving:KillsItself", "misbehaving:Hangs"))
    bad = planned(tasks=("rosenbrock[dim=2]",), optimizers=foreign, seeds=1, time_s=0.1)
    fresh = planned(tasks=("rosenbrock[dim=2]",), optimizers=("tests.harness.threads:TellsItsProcess",))
    trials = (*own, *bad, *fresh)
    running = sweep_on_ray(trials, save=partial(write, store), jobs=2, retries=1)
    done = [next(running)]
    ours = [p for p in [psutil.Process(), *psutil.Process().children(recursive=True)] if p.is_running()]
    listening = [(p.name(), c.laddr.ip) for p in ours for c in p.net_connections("inet") if c.status == "LISTEN"]
    import ray

    folder = Path(ray.nodes()[0]["RayletSocketName"]).parents[3]
    mode = oct(folder.stat().st_mode & 0o777)
    done += running
    left = folder.exists(), psutil.wait_procs(ours[1:], timeout=20)[1]
    seen = {"listening": listening, "mode": mode, "left": left}
    return {"store": store, "trials": trials, "own": own, "done": done} | seen


@needs_ray
@pytest.mark.slow
def test_what_listens_listens_on_the_loopback_interface(ran):
    assert len(ran["listening"]) >= 4, "Ray's servers were seen"
    addresses = [ipaddress.ip_address(ip) for _, ip in ran["listening"]]
    assert all((getattr(a, "ipv4_mapped", None) or a).is_loopback for a in addresses), ran["listening"]
    assert ran["mode"] == "0o700", "its folder is closed to other users"


@needs_ray
@pytest.mark.slow
def test_nothing_is_left_of_ray(ran):
    assert ran["left"] == (False, [])


@needs_ray
@pytest.mark.slow
def test_trials_on_ray_and_in_the_pool_are_bit_equal(ran, tmp_path):
    pooled = without_ray(ran["own"], tmp_path, jobs=2)
    assert pooled.items() <= digests(ran["store"]).items()
    assert {r.environment.jobs for r in ran["done"]} == {2}


@needs_ray
@pytest.mark.slow
def test_every_trial_is_one_record_with_its_status(ran):
    assert sorted(r.id for r in ran["done"]) == sorted(p.trial.id for p in ran["trials"])
    assert statuses(ran["store"]).by_id == {r.id: r.status for r in ran["done"]}
    of = {r.trial.label.partition(":")[2]: r for r in ran["done"]}
    assert (of["KillsItself"].status, of["KillsItself"].error) == (Status.killed, "the worker died, in each of 2 tries")
    assert (of["Hangs"].status, of["Hangs"].error) == (Status.timeout, "no answer within 10 s; the worker was replaced")


@needs_ray
@pytest.mark.slow
def test_foreign_code_gets_processes_of_its_own(ran):
    told = [r.error for r in ran["done"] if r.trial.label.endswith("TellsItsProcess")]
    assert len(told) == len(set(told)) == 2


@needs_ray
@pytest.mark.gpu
def test_every_cuda_trial_has_a_process_of_its_own_and_its_peak(tmp_path):
    run = Sweep(tasks=("matrix_quadratic[rows=256,columns=256]",), optimizers=("adam",), seeds=3, n_calls=20)
    trials = expand([run], device="cuda").trials
    done = list(sweep_on_ray(trials, save=partial(write, tmp_path), gpus=0.5))
    assert {r.environment.device for r in done} == {torch.cuda.get_device_name()}
    assert {r.peak_bytes for r in done} == {done[0].peak_bytes}, "nothing is left over from the trial before"
