"""Run a script with nothing that a Kaggle kernel would not have: no network, no sources of the kit.

The guard, which refuses both, is loaded by the interpreter and by every Python that it starts.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ffdi.core.digest import PACKAGE
from ffdi.kernels import guard

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
OUTPUT, ATTEMPTS = "output.txt", "attempts.log"


@dataclass(frozen=True)
class Ended:
    """`code`: of the exit, -9 if it took too long. `attempts`: what the guard refused."""

    code: int
    output: str
    attempts: tuple[str, ...]


def run(script: Path, working: Path, environment: Mapping[str, str], folder: Path, seconds: float) -> Ended:
    """Run a script in a fresh interpreter.

    Args:
        script: the file.
        working: its current folder.
        environment: its variables, beside those that every process needs.
        folder: a folder for the guard and what it writes down.
        seconds: after these it is killed with all that it started.
    """
    log, output = folder / ATTEMPTS, folder / OUTPUT
    log.unlink(missing_ok=True)
    watch = f"watch({[str(PACKAGE)]!r}, {str(log)!r})\n"
    (folder / "sitecustomize.py").write_text(Path(guard.__file__).read_text() + watch)  # Python imports it at its start
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(environment)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(script)], cwd=working, env=given | {"PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    attempts = log.read_text().splitlines() if log.exists() else []
    return Ended(process.returncode, output.read_text(errors="replace"), tuple(dict.fromkeys(attempts)))
