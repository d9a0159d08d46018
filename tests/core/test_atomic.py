import errno
import os
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest

from ffdi.core import atomic
from ffdi.core.errors import SpaceError, UserError
from tests.fixtures.kills import repeat_and_kill


def test_a_kill_never_leaves_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    contents = [bytes([value]) * 2_000_000 for value in (1, 2)]
    atomic.write_bytes(path, contents[0])
    for attempt in range(20):
        repeat_and_kill(lambda: [atomic.write_bytes(path, content) for content in contents], 0.002 + 0.0017 * attempt)
        assert path.read_bytes() in contents
    atomic.write_bytes(path, b"last")
    assert path.read_bytes() == b"last"
    atomic.sweep(tmp_path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_call_leaves_the_old_file(tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    atomic.write_bytes(path, b"old")
    monkeypatch.setattr(os, call, Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(SpaceError, match=r"3 bytes needed, .* free"):
        atomic.write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_cannot_sync_folders_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    atomic.write_bytes(tmp_path / "a.bin", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_a_place_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        atomic.write_bytes(tmp_path / "file" / "a.bin", b"")
