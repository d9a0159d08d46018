"""Leases die with their holder, and with nobody else."""

import os
import signal
from pathlib import Path

from ffdi.search.lease import FileLeases


def _held_by_a_family(folder: Path) -> tuple[int, int]:
    """A process that holds "worker" and its child, such as a loader, that outlives it."""
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        with FileLeases(folder).hold("worker"):
            child = os.fork()
            if child:
                os.write(tell, f"{child}\n".encode())
            signal.pause()
        os._exit(0)
    child = int(os.read(told, 20))
    os.close(told)
    os.close(tell)
    return parent, child


def test_a_lease_dies_with_its_holder_although_a_child_lives_on(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    parent, child = _held_by_a_family(tmp_path)
    assert not leases.is_free("worker")
    assert not leases.is_free("worker")  # probing does not take it away
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert leases.is_free("worker")
    os.kill(child, signal.SIGKILL)


def test_the_dead_are_swept_and_the_living_are_not(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    assert leases.is_free("never")
    with leases.hold("ask"), leases.hold("alive"):
        with leases.hold("dead"):
            pass
        leases.sweep(keep="ask")
        assert {path.name for path in tmp_path.iterdir()} == {"ask", "alive"}
        assert not leases.is_free("alive")
