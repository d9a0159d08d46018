"""`import ffdi` is light and offers its functions lazily; their examples run."""

import doctest
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import ffdi

NAMES = {"auc", "make_folds", "read_oof", "read_test", "blend", "load_team", "transforms", "train", "submit"}


def test_every_name_is_there_and_importing_loads_nothing() -> None:
    assert set(ffdi.__all__) == NAMES | {"__version__"}
    assert all(callable(getattr(ffdi, name)) for name in NAMES)
    code = "import ffdi, sys; assert not {'numpy', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_package() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert ffdi.__version__ == tomllib.loads(text)["project"]["version"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_examples_run(name: str) -> None:
    """Each function has an example; those that need a trained team or Kaggle are marked as skipped."""
    function = getattr(ffdi, name)
    module = import_module(function.__module__)
    (found,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={**vars(module), "ffdi": ffdi})
    assert found.examples, f"ffdi.{name} has no example"
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(found).failed == 0
