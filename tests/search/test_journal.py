"""The journal is whole again before every line that is added, whatever a kill or a full disk has left."""

import os
import resource
from pathlib import Path

import pytest

from ffdi.core.errors import SpaceError
from ffdi.search import journal
from tests.fixtures.search import found, options, search


def _study(folder: Path, trials: int) -> bytes:
    search(options(folder, trials=trials))
    return (folder / "journal.log").read_bytes()


def test_a_cut_at_every_byte_of_the_last_two_records_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = _study(tmp_path / "whole", 2)
    begin = len(b"".join(content.splitlines(keepends=True)[:-2]))
    cuts = [cut for cut in range(begin + 1, len(content)) if content[cut - 1 : cut] != b"\n"]
    assert len(cuts) > 150
    monkeypatch.setattr(os, "fsync", lambda _: None)  # bytes are looked at, not a power cut
    path = tmp_path / "journal.log"
    for cut in cuts:
        path.write_bytes(content[:cut])
        end = content[:cut].rfind(b"\n") + 1
        (study,) = journal.read_journal(path).get_all_studies()  # readable at once
        journal.open_journal(path).set_study_user_attr(study._study_id, "next", cut)
        (study,) = journal.read_journal(path).get_all_studies()
        assert study.user_attrs["next"] == cut
        assert path.read_bytes()[:end] == content[:end]


def test_a_full_disk_stops_the_search_and_loses_no_ended_trial(tmp_path: Path) -> None:
    size = len(_study(tmp_path / "whole", 4))
    wanted = options(tmp_path / "full", trials=4)
    done: set[int] = set()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for point in range(20):  # EFBIG instead of ENOSPC; Python ignores the signal
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8 + point * size // 23, before[1]))
        try:
            with pytest.raises(SpaceError, match="run the same command again to go on"):
                search(wanted)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        now = {trial.number for trial in found(wanted) if trial.state.is_finished() and trial.value is not None}
        assert done <= now
        done = now
    assert all(trial.state.is_finished() for trial in search(wanted))
