"""A process with nothing that a Kaggle kernel would not have: a fresh interpreter in isolated mode without the kit.

Its environment links the packages of this interpreter, without the kit and with the guard. The network is off by a
namespace of its own where the system permits one, and by the guard everywhere.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ffdi.core.code import PACKAGE
from ffdi.core.errors import FfdiError
from ffdi.kernels import guard

KIT = PACKAGE.name
UNSHARE = ("unshare", "--map-root-user", "--net")
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
ATTEMPTS = "attempts.log"


@dataclass(frozen=True)
class Ended:
    """`code`: of the exit, -9 if it took too long. `attempts`: what the guard refused."""

    code: int
    output: str
    attempts: tuple[str, ...]


@dataclass(frozen=True)
class Sandbox:
    """An environment in `folder`. Make one with `make`."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, script: Path, working: Path, environment: Mapping[str, str], seconds: float) -> Ended:
        """Run a script and return what became of it.

        Args:
            script: Path of the script.
            working: Where it runs.
            environment: Variables it sees.
            seconds: After them it is killed, with all that it started.
        """
        log, output = self.folder / ATTEMPTS, self.folder / "output.txt"
        log.unlink(missing_ok=True)
        command = [*network_off(), str(self.python), "-I", str(script)]
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(environment)
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command, cwd=working, env=given, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True,
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


def make(folder: Path) -> Sandbox:
    """Return an environment in `folder` with every package of this interpreter but the kit.

    Raises FfdiError if the kit can be imported in it: a kernel must bring it along.
    """
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for source in [Path(name) for name in sys.path if Path(name).name in ("site-packages", "dist-packages")]:
        for path in source.iterdir():
            if not _is_kit(path) and not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    shutil.copyfile(guard.__file__, packages / "rehearsal_guard.py")
    watch = f"from rehearsal_guard import watch\nwatch({[str(PACKAGE)]!r}, {str(folder / ATTEMPTS)!r})\n"
    (packages / "sitecustomize.py").write_text(watch)
    sandbox = Sandbox(folder)
    tried = subprocess.run([sandbox.python, "-I", "-c", f"import {KIT}"], capture_output=True, text=True, check=False)
    if f"No module named '{KIT}'" not in tried.stderr:
        raise FfdiError(f"The sandbox in {folder} still has the package {KIT}; nothing can be rehearsed in it.")
    return sandbox


@cache
def network_off() -> tuple[str, ...]:
    """Return the command that runs another without a network; () where the system permits no namespace."""
    if shutil.which(UNSHARE[0]) is None:
        return ()
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return UNSHARE if tried.returncode == 0 else ()


def _is_kit(path: Path) -> bool:
    """Match the package, its metadata, and the files that put other folders, such as its sources, on the path."""
    return path.name == KIT or path.name.startswith((f"{KIT}-", "__editable__")) or path.suffix == ".pth"
