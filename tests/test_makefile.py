"""Make tells a stop from an error, though its own exit code is 2 for both, passes values on as they were given, and
its benches fit the code."""

import ast
import importlib
import inspect
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ODD = """a b$c "d" 'e' `f` \\g #h, (i=j; k"""


def make(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make with a shell script in the place of the command line."""
    (folder / "bin").mkdir()
    (folder / "bin" / "ffdi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "ffdi").chmod(0o755)
    (folder / "ready").touch()
    return subprocess.run(["make", f"VENV={folder}", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(("code", "ends", "told"), [(0, 0, False), (2, 2, False), (75, 2, True)])
def test_a_stop_says_that_the_same_command_goes_on(tmp_path: Path, code: int, ends: int, told: bool) -> None:
    done = make(tmp_path, f"exit {code}", "folds")
    assert done.returncode == ends
    assert ("run the same command again to go on" in done.stderr) == told


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([f"DATA={ODD}"], ["folds", "--data", ODD]),
        (["SET=member.tta=['hflip'] member.lr=1e-3"], ["folds", "member.tta=['hflip']", "member.lr=1e-3"]),
        (["RECIPE=x.toml", "WORK=w", "MINUTES=5"], ["folds", "--recipe", "x.toml", "--minutes", "5", "--work", "w"]),
    ],
)
def test_values_reach_the_verb_as_they_were_given(tmp_path: Path, given: list[str], passed: list[str]) -> None:
    done = make(tmp_path, f'printf "%s\\n" "$@" > "{tmp_path}/words"', "folds", *given)
    assert done.returncode == 0
    assert (tmp_path / "words").read_text().splitlines() == passed


def test_the_url_of_a_database_is_not_shown(tmp_path: Path) -> None:
    done = make(tmp_path, f'echo "$FFDI_STORAGE" > "{tmp_path}/url"', "search", f"STORAGE=postgresql://{ODD}")
    assert (tmp_path / "url").read_text() == f"postgresql://{ODD}\n"
    assert "postgresql" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "tests/bench").glob("[a-z]*.py")])
def test_a_bench_names_only_what_exists(name: str) -> None:
    """They take minutes, so no test runs them."""
    bench = importlib.import_module(f"tests.bench.{name}")
    nodes = [node for node in ast.walk(ast.parse(inspect.getsource(bench))) if isinstance(node, ast.Attribute)]
    asked = {(node.value.id, node.attr) for node in nodes if isinstance(node.value, ast.Name)}
    known = {(owner, attribute) for owner, attribute in asked if owner in vars(bench)}
    assert [one for one in sorted(known) if not hasattr(vars(bench)[one[0]], one[1])] == []
