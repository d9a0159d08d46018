import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import Stop
from ffdi.data import processes


def square(number: int) -> int:
    return number * number


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_several_processes_do_everything_once_and_are_gone_afterwards() -> None:
    assert sorted(processes.unordered(square, iter(range(30)), 2)) == [n * n for n in range(30)]
    assert [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())] == []


def end_all(number: int) -> list[int]:
    """As `kill -TERM -GROUP` or a scheduler does: the signal reaches the main process and its workers."""
    os.kill(os.getppid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    return [number]


def test_a_signal_to_all_processes_is_a_pause() -> None:
    with (
        Stop() as stop,
        pytest.raises(Paused, match=r"Scan stopped \(SIGTERM\); the same command goes on from 0 images"),
    ):
        list(processes.until_stopped(processes.unordered(end_all, iter(range(3)), 2), "scan", 3, stop))


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    with pytest.raises(FfdiError, match="run again: it goes on where it was"):
        list(processes.unordered(die, iter(range(3)), 2))


def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(
        "import time\n"
        "from ffdi.data import processes\n"
        "if __name__ == '__main__':\n"
        "    print('ready', flush=True)\n"
        "    list(processes.unordered(time.sleep, iter([0.01] * 100_000), 2))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    parent.stdout.readline()
    workers: list[psutil.Process] = []
    while len(workers) < 2:
        time.sleep(0.05)
        workers = [
            child for child in psutil.Process(parent.pid).children() if "spawn_main" in " ".join(child.cmdline())
        ]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
