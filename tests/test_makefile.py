"""Make tells a stop from an error, though its own exit code is 2 for both."""

import subprocess
from pathlib import Path

import pytest

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
