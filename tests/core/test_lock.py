import errno
import fcntl
import os
import signal
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from ffdi.core import lock
from ffdi.core.errors import LockedError, UserError


def test_the_second_process_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with lock.exclusive(tmp_path):
            (tmp_path / "held").touch()
            time.sleep(60)
        os._exit(0)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with pytest.raises(LockedError, match="Another process"), lock.exclusive(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with lock.exclusive(tmp_path):
        pass


def test_one_that_waits_comes_after_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with lock.exclusive(tmp_path, wait=True):
            order.append("second")

    waiting = threading.Thread(target=second)
    with lock.exclusive(tmp_path):
        waiting.start()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_place_that_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="name another place"), lock.exclusive(place):
            pass


def test_a_file_system_without_locks_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
    with pytest.raises(UserError, match=r"Cannot work in .*: No locks available; name another place"):
        lock.exclusive(tmp_path).__enter__()
