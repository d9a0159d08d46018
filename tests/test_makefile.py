"""Make tells a stop from an error, though its own exit code is 2 for both; its benches fit the code."""

import ast
import importlib
import inspect
import subprocess
from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHES

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("code", "ends", "told"), [(0, 0, False), (2, 2, False), (75, 2, True)])
def test_a_stop_says_that_the_same_command_goes_on(tmp_path: Path, code: int, ends: int, told: bool) -> None:
    """With a command line that only ends with this code."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffdi").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "bin" / "ffdi").chmod(0o755)
    (tmp_path / "ready").touch()
    done = subprocess.run(["make", "folds", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == ends
    assert ("run the same command again to go on" in done.stderr) == told


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_names_only_what_exists(name: str) -> None:
    """They take minutes, so no test runs them."""
    bench = importlib.import_module(f"tests.bench.{name}")
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(bench))) if isinstance(node, ast.Attribute)]
    asked = {(node.value.id, node.attr) for node in nodes if isinstance(node.value, ast.Name)}
    known = {(owner, attribute) for owner, attribute in asked if owner in vars(bench)}
    assert [one for one in sorted(known) if not hasattr(vars(bench)[one[0]], one[1])] == []
