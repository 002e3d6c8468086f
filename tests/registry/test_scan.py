"""The registry reads files and imports none of them."""

import importlib
import inspect
import subprocess
import sys
import textwrap

import pytest

from rmobench.registry import load, optimizers, tasks
from rmobench.registry.scan import RegistrationError, read_spec

SPECS = [*optimizers().values(), *tasks().values()]
GOOD = '''
from rmobench.registry import optimizer
from rmobench.types import Log
import a_package_that_does_not_exist

@optimizer(family="classical", source="nobody", needs=("deterministic",), search={"lr": Log(1e-3, 1.0)})
def mine(problem, *, lr=0.1, name="x"):
    """Do nothing.

    More.
    """
'''


def test_listing_imports_nothing():
    code = """
        import sys
        from rmobench.registry import optimizers, tasks
        assert len(optimizers()) > 10 and len(tasks()) > 10
        loaded = [m for m in sys.modules if m.startswith(("rmobench.optimizers", "rmobench.tasks")) or m == "torch"]
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_file_function_and_name_agree(spec):
    module, _, function = spec.location.partition(":")
    assert module.rsplit(".", 1)[-1] == function == spec.name
    assert spec.source and spec.summary.endswith(".")


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_what_was_read_is_what_runs(spec):
    """Defaults read from the source are the function's own."""
    if spec.requires:
        pytest.importorskip(spec.requires[0], reason=f"{spec.name} needs {spec.requires[0]}")
    build = load(spec.location)
    own = {p.name: p.default for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY}
    read = getattr(spec, "defaults", None)
    assert own == dict(read if read is not None else spec.args)


def test_a_missing_dependency_fails_only_its_own_name(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    spec = read_spec(path, "somewhere.mine", "optimizer", "mine")
    assert (spec.name, spec.summary, spec.needs, spec.defaults) == (
        "mine",
        "Do nothing.",
        ("deterministic",),
        {"lr": 0.1, "name": "x"},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def mine", "def yours"), "@optimizer is on 'yours', expected 'mine'"),
        (('"nobody"', "nobody()"), "not a literal"),
        (("lr=0.1", "lr=compute()"), "not a literal"),
        (("needs=", "wants="), "unexpected keyword argument 'wants'"),
        (('source="nobody", ', ""), "source"),
    ],
)
def test_a_file_that_breaks_the_rules_says_how(tmp_path, change, message):
    path = tmp_path / "mine.py"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(RegistrationError, match=message):
        read_spec(path, "somewhere.mine", "optimizer", "mine")


def test_third_parties_register_by_entry_point(tmp_path, monkeypatch):
    """An installed distribution's entry point appears in the list, and runs."""
    (tmp_path / "theirs.py").write_text(
        GOOD.replace("import a_package_that_does_not_exist", "").replace("mine", "theirs")
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rmobench.optimizers]\ntheirs = theirs:theirs\nwrong = theirs:nothing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    optimizers.cache_clear()
    try:
        spec = optimizers()["theirs"]
        assert spec.location == "theirs:theirs"
        assert "expected 'nothing'" in optimizers()["wrong"].broken, "and harms no other name"
        assert load(spec.location) is importlib.import_module("theirs").theirs
    finally:
        optimizers.cache_clear()
