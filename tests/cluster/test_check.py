"""What a node is refused for, and Ray that is not installed: without a cluster."""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from ffdi.cluster import check, session
from ffdi.cluster.check import facts, faults
from ffdi.core.errors import UserError


@pytest.fixture
def token(tmp_path: Path) -> Iterator[Path]:
    """A token whose lock another open file holds, as the driver does."""
    path = tmp_path / "token"
    path.write_text("")
    with path.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield path


def test_a_folder_that_is_not_there_is_named(token: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert faults(nowhere, str(token), [], {}) == [
        f"does not see the current folder {nowhere}; start this in a folder that all nodes see"
    ]
    assert "does not see the folder" in faults(os.getcwd(), f"{nowhere}/token", [], {})[0]


def test_other_versions_and_data_are_told_with_both_values(token: Path, tmp_path: Path) -> None:
    here = facts([str(tmp_path)])
    wanted = {**here, "torch": "1.0", f"folder {tmp_path}": "missing"}
    assert faults(os.getcwd(), str(token), [str(tmp_path)], wanted) == [
        f"has other torch ({here['torch']} there, 1.0 here)",
        f"has other folder {tmp_path} ({here[f'folder {tmp_path}']} there, missing here)",
    ]


@pytest.fixture
def _as_on_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS refuses an exclusive lock on what is not open for writing (flock(2))."""
    plain = fcntl.flock

    def flock(file: TextIO, operation: int) -> None:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        plain(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("_as_on_nfs")
def test_a_node_that_sees_the_same_is_not_refused(token: Path, tmp_path: Path) -> None:
    folders = [str(tmp_path)]
    assert faults(os.getcwd(), str(token), folders, facts(folders)) == []
    assert list(tmp_path.iterdir()) == [token]


@pytest.mark.cluster
@pytest.mark.usefixtures("_as_on_nfs", "cluster")
def test_the_driver_locks_its_token_on_nfs(tmp_path: Path) -> None:
    check.check(tmp_path, [tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_gets_one_sentence(tmp_path: Path) -> None:
    """The driver holds the lock of the token; where a node gets it, too, locks do not hold between nodes."""
    (tmp_path / "token").write_text("")
    (told,) = faults(os.getcwd(), str(tmp_path / "token"), [], facts([]))
    assert told == f"sees {tmp_path}, which {check.LOCK}"


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="pip install 'ffdi\\[cluster\\]'"), session.connected("auto"):
        pass
