"""Selectors: what users type."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmobench.errors import InputError, SelectorError, UnknownNameError
from rmobench.registry import choose_optimizers, choose_tasks, parse_selector
from rmobench.types import selector

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(st.characters(codec="ascii", exclude_characters="[]"), max_size=8),
)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_reads_back(name, params):
    assert parse_selector(selector(name, params)) == (name, params)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_as_the_users_mistake(text):
    for choose in (choose_tasks, choose_optimizers):
        with contextlib.suppress(InputError):
            choose(text)


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("adam", {}),
        ("adam[]", {}),
        (" adam[ lr = 1e-2 , beta1=0.5 ] ", {"lr": 0.01, "beta1": 0.5}),
        ("quadratic[spectrum=log,dim=3]", {"spectrum": "log", "dim": 3}),
        ("x[flag=true,none=None,quoted='a,b=c']", {"flag": True, "none": None, "quoted": "a,b=c"}),
        ("torch.optim:NAdam[lr=0.01]", {"lr": 0.01}),
        ("torch.optim:Adam[betas=(0.9, 0.99),lr=1]", {"betas": (0.9, 0.99), "lr": 1}),
    ],
)
def test_forms(text, params):
    assert parse_selector(text)[1] == params


@pytest.mark.parametrize(
    "text",
    [
        "",
        "adam[lr",
        "adam]lr=1[",
        "a b",
        "adam[lr=]",
        "adam[=1]",
        "adam[lr]",
        "adam[lr='x]",
        "adam[lr=1+]",
        "adam[lr=1e999]",
        "adam[betas=(1]",
    ],
)
def test_malformed_selectors_say_what_was_expected(text):
    with pytest.raises(SelectorError, match=r"got .*(expected|not closed)"):
        parse_selector(text)


def test_a_typo_suggests_the_right_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'adam'"):
        choose_optimizers("adm")
    with pytest.raises(UnknownNameError, match="Did you mean 'rosenbrock'"):
        choose_tasks("rosenbruck[dim=2]")


def test_unknown_parameters_and_wrong_types_are_refused():
    with pytest.raises(SelectorError, match="no parameter 'learning_rate'; it has lr"):
        choose_optimizers("adam[learning_rate=1]")
    with pytest.raises(SelectorError, match="expected float"):
        choose_optimizers("adam[lr=fast]")
    with pytest.raises(SelectorError, match="expected int"):
        choose_tasks("rosenbrock[dim=2.5]")


def test_an_int_for_a_float_is_the_same_choice():
    assert choose_optimizers("adam[lr=1]") == choose_optimizers("adam[lr=1.0]")


def test_labels_show_what_differs():
    assert [o.label for o in choose_optimizers("adam[lr=0.01]")] == ["adam"]
    assert [o.label for o in choose_optimizers("adam[lr=0.5]")] == ["adam[lr=0.5]"]
    assert [t.label for t in choose_tasks("rosenbrock")] == ["rosenbrock[dim=10]"]


def test_families_expand():
    names = {o.spec.name for o in choose_optimizers("@classical")}
    assert {"adam", "bfgs", "lbfgs"} <= names
    with pytest.raises(UnknownNameError, match="@classical"):
        choose_optimizers("@clasical")


def test_an_edited_class_is_another_version(tmp_path, monkeypatch):
    package = tmp_path / "edited_package"
    package.mkdir()
    (package / "__init__.py").write_text("from edited_package.core import Mine")
    (package / "core.py").write_text("class Mine: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = choose_optimizers("edited_package:Mine")[0].spec.version
    assert choose_optimizers("edited_package:Mine")[0].spec.version == before
    (package / "core.py").write_text("class Mine: better = True")
    assert choose_optimizers("edited_package:Mine")[0].spec.version != before


def test_a_class_that_does_not_exist_is_the_users_mistake():
    with pytest.raises(InputError, match="no module named 'nowhere"):
        choose_optimizers("nowhere.at_all:Adam")


def test_a_label_renames_one_optimizer():
    (chosen,) = choose_optimizers("mine = adam[lr=0.5]")
    assert (chosen.label, chosen.spec.name, chosen.hyper["lr"]) == ("mine", "adam", 0.5)
    with pytest.raises(SelectorError, match="expected one label"):
        choose_optimizers("a = b = adam")
    with pytest.raises(SelectorError, match="a label names one optimizer"):
        choose_optimizers("mine = @classical")


def test_none_is_no_value_where_the_default_is_one():
    with pytest.raises(SelectorError, match="got lr=None, expected float"):
        choose_optimizers("rsgd[lr=None]")
    with pytest.raises(SelectorError, match="got rank=None, expected int"):
        choose_tasks("pca[rank=None]")
