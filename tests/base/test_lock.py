import os
import signal
import time
from pathlib import Path

import pytest

from ffdi.base import lock
from ffdi.base.errors import LockedError


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
