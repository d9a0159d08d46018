"""A push that is killed and interrupted again and again, in processes of its own: one version comes of it."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ffdi.core import keys
from ffdi.core.errors import Paused
from ffdi.submission.dataset import publish, read_folder
from ffdi.submission.errors import Unreachable
from ffdi.submission.kernel import Kernel
from tests.fixtures.kaggle.server import CANARY, Fault, Server, cut, hang, lose, refuse, slow
from tests.fixtures.pushing import SCRIPT, Follower, make_pack, results

# The command itself, but for its sleep, which is a hundredth as long. A job in the background of a shell, as CI may be,
# ignores SIGINT from its start.
MAIN = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from ffdi.cli import main, push
from tests.fixtures.pushing import toy_team
push.team.read = lambda folder: toy_team()
push.CLOCK = push.Clock(sleep=lambda seconds: time.sleep(seconds / 100))
main.main()
"""
# Pairs of: done and no answer, never begun, busy in two ways.
TWO = list(itertools.product([lose(), cut(), refuse(503), refuse(429)], repeat=2))
DEADLINE = 60.0  # seconds for a child to come where it is wanted
KERNEL = "tester/toy-infer"


@pytest.fixture
def command(kaggle_server: Server, tmp_path: Path) -> list[str]:
    kaggle_server.state.run = results
    kaggle_server.state.ready_after = 0
    script = tmp_path / "infer.py"
    script.write_text(SCRIPT)
    pack = make_pack(tmp_path / "toy-weights")
    options = ["--pack", str(pack), "--work", str(tmp_path / "work"), "--yes"]
    return [sys.executable, "-c", MAIN, "kernels", "push", str(script), *options]


def start(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(child: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = child.communicate(timeout=DEADLINE)
    return child.returncode, out, err


def when(child: "subprocess.Popen[str]", here: Callable[[], bool], number: int) -> tuple[int, str, str]:
    """Send the child a signal once it has come to a place."""
    deadline = time.monotonic() + DEADLINE
    while not here() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert here(), ended(child)
    child.send_signal(number)
    return ended(child)


@pytest.mark.parametrize("faults", TWO, ids=lambda faults: "-".join(f"{one.kind}{one.status}" for one in faults))
def test_two_faults_in_a_row_make_one_version_of_each(
    kaggle_server: Server, session: Follower, kernel: Kernel, tmp_path: Path, faults: tuple[Fault, ...]
) -> None:
    """The command is given until it ends well, as a person would; then once more with --again."""
    folder = read_folder(make_pack(tmp_path / "toy-weights"), "tester")

    def until_it_ends_well(again: bool) -> int:
        for _ in range(6):
            try:
                publish(session, folder)
                return session.push(kernel, again).version
            except (Paused, Unreachable):
                continue
        return 0

    for name in ("CreateDataset", "SaveKernel"):
        kaggle_server.script(name, *faults)
    assert until_it_ends_well(again=False) == 1
    undone = list(itertools.takewhile(lambda fault: fault.kind != "lose", faults))
    assert kaggle_server.count("SaveKernel") == 1 + len(undone)
    session.follow(kernel)
    kaggle_server.scripts.clear()
    kaggle_server.script("SaveKernel", *faults)
    assert until_it_ends_well(again=True) == 2
    assert len(kaggle_server.state.datasets[folder.id].versions) == 1
    assert len(kaggle_server.state.kernels[KERNEL]) == 2


def test_stopped_at_every_stage(kaggle_server: Server, command: list[str], tmp_path: Path) -> None:
    state, count = kaggle_server.state, kaggle_server.count
    state.kernel_states = ["RUNNING"]
    kaggle_server.script("PUT", hang())
    assert when(start(command), lambda: count("PUT") == 1, signal.SIGKILL)[0] == -signal.SIGKILL
    kaggle_server.script("SaveKernel", slow(60.0))
    assert when(start(command), lambda: KERNEL in state.kernels, signal.SIGKILL)[0] == -signal.SIGKILL
    code, out, err = when(start(command), lambda: count("GetKernelSessionStatus") > 0, signal.SIGINT)
    assert (code, "run the same command to go on" in err) == (75, True), err
    assert f"an earlier push of {KERNEL} had no answer" in out
    state.kernels[KERNEL][0].states = ["COMPLETE"]
    code, out, err = ended(start(command))
    assert code == 0, err
    assert out.splitlines()[-1] == f"submit it: ffdi submit --kernel {KERNEL} --version 1 --competition toy"
    assert [count(name) for name in ("CreateDataset", "CreateDatasetVersion", "SaveKernel")] == [1, 0, 1]
    state.kernel_states, again = ["COMPLETE"], [*command, "--again"]
    kaggle_server.script("SaveKernel", slow(60.0))
    assert when(start(again), lambda: len(state.kernels[KERNEL]) == 2, signal.SIGKILL)[0] < 0
    code, out, err = ended(start(again))
    assert (code, count("SaveKernel"), f"{KERNEL} version 2 is complete" in out) == (0, 2, True), err
    assert [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_killed_at_random_until_it_is_through(kaggle_server: Server, command: list[str]) -> None:
    kaggle_server.state.kernel_states = ["COMPLETE"]
    draws, kills = keys.Draws(keys.key("push", 0), "delay"), 0
    for name in ("StartBlobUpload", "PUT", "CreateDataset", "SaveKernel"):
        kaggle_server.script(name, *[slow(0.1)] * 99)
    while True:
        child = start(command)
        try:
            code, _, err = (child.wait(draws.uniform(0.5, 4.0 + kills)), *child.communicate())
            break
        except subprocess.TimeoutExpired:
            child.kill()
            ended(child)
            kills += 1
    assert code == 0, err
    assert kills > 0
    assert len(kaggle_server.state.datasets["tester/toy-weights"].versions) == 1
    assert len(kaggle_server.state.kernels[KERNEL]) == 1
