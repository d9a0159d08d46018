"""A process that has nothing a Kaggle kernel would not have: a fresh interpreter in isolated mode without the kit.

Its environment is made for it: the packages of this interpreter by links, without the kit, and with the guard. The
network is off by a namespace of its own where the system permits one, and by the guard everywhere.
"""

import os
import shutil
import signal
import subprocess
import sysconfig
import time
import venv
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from ffdi.core.code import PACKAGE
from ffdi.core.errors import FfdiError
from ffdi.kernels import guard

KIT = PACKAGE.name
UNSHARE = ("unshare", "--map-root-user", "--net")
POLL = 0.1  # seconds between two looks at the memory
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
ATTEMPTS = "attempts.log"


@dataclass(frozen=True)
class Ended:
    """`memory`: bytes at the peak, the sum over the kernel's processes (shared pages count in each), sampled."""

    code: int
    seconds: float
    memory: int
    output: str
    attempts: tuple[str, ...]  # what the guard refused


@dataclass(frozen=True)
class Sandbox:
    """An environment in `folder`. Make one with `make`."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, script: Path, working: Path, environment: Mapping[str, str], patience: float) -> Ended:
        """`script` from start to end in `working`; killed with all it started after `patience` seconds."""
        log = self.folder / ATTEMPTS
        log.unlink(missing_ok=True)
        command = [*network_off(), str(self.python), "-I", str(script)]
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(environment)
        output = self.folder / "output.txt"
        begun = time.monotonic()
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command, cwd=working, env=given, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True,
            )  # fmt: skip
            memory = _watched(process, begun + patience)
        seconds = time.monotonic() - begun
        attempts = log.read_text().splitlines() if log.exists() else []
        text = output.read_text(errors="replace")
        return Ended(process.returncode, seconds, memory, text, tuple(dict.fromkeys(attempts)))


def make(folder: Path) -> Sandbox:
    """An environment in `folder` with every package of this interpreter but the kit. Raises FfdiError if that leaks."""
    venv.EnvBuilder(symlinks=True).create(folder)
    packages = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for source in {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}:
        for path in source.iterdir():
            if not _is_kit(path) and not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    shutil.copyfile(guard.__file__, packages / "rehearsal_guard.py")
    forbidden = [str(PACKAGE)]
    watch = f"from rehearsal_guard import watch\nwatch({forbidden!r}, {str(folder / ATTEMPTS)!r})\n"
    (packages / "sitecustomize.py").write_text(watch)
    sandbox = Sandbox(folder)
    _refuse_leak(sandbox)
    return sandbox


@cache
def network_off() -> tuple[str, ...]:
    """The command that runs another without a network; () where the system permits no namespace."""
    if shutil.which(UNSHARE[0]) is None:
        return ()
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return UNSHARE if tried.returncode == 0 else ()


def _is_kit(path: Path) -> bool:
    """The package itself, its metadata, or the file that makes an editable install of it."""
    name = path.name.lower().lstrip("_")
    return name == KIT or name.startswith((f"{KIT}-", f"editable__.{KIT}-", f"editable___{KIT}_"))


def _refuse_leak(sandbox: Sandbox) -> None:
    """The kernel must bring the kit along: outside of it there is none."""
    tried = subprocess.run([sandbox.python, "-I", "-c", f"import {KIT}"], capture_output=True, text=True, check=False)
    if f"No module named '{KIT}'" not in tried.stderr:
        raise FfdiError(f"The sandbox in {sandbox.folder} still has the package {KIT}; nothing can be rehearsed in it.")


def _watched(process: subprocess.Popen[bytes], end: float) -> int:
    """Wait for the end, at most until `end`, and leave nothing behind that it started; returns the most memory seen."""
    most = 0
    try:
        while process.poll() is None and time.monotonic() < end:
            most = max(most, _memory(process.pid))
            time.sleep(POLL)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return most


def _memory(pid: int) -> int:
    total = 0
    try:
        main = psutil.Process(pid)
        for one in (main, *main.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:  # it ended while we looked
        pass
    return total
