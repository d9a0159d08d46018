"""SIGKILL at random instants of a scan: the manifest is that of an undisturbed one, and little is done twice."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from ffdi.core.layout import Workspace
from ffdi.data import manifest, measurement, scan
from tests.fixtures.kills import run_killed
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg

IMAGES = 150


@pytest.mark.parametrize("wanted", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_lose_nothing_but_the_part_at_work(wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 5)
    monkeypatch.setattr(scan, "PART", 10)
    folder = contest_folder(tmp_path / "contest", {f"{number}.jpg": jpeg(number) for number in range(IMAGES)})
    whole = scan.scan(CONTEST, folder, Workspace(tmp_path / "whole", tmp_path), 0)  # imports what is imported late, too
    log, plain = tmp_path / "looked", measurement.examine

    def logged(folder: Path, relpath: str) -> dict[str, object]:
        with log.open("a") as file:
            file.write(relpath + "\n")
        return plain(folder, relpath)

    monkeypatch.setattr(measurement, "examine", logged)
    kills, run = 0, 0
    while kills < wanted:
        places = Workspace(tmp_path / f"work{run}", tmp_path)
        kills += run_killed(partial(scan.scan, CONTEST, folder, places, 0), 0.5, 8, "scan", run)
        pd.testing.assert_frame_equal(manifest.read(places), whole)
        assert [path.name for path in places.work.rglob("*") if path.is_file()] == ["manifest.parquet", ".lock"]
        run += 1
    assert kills >= wanted
    assert len(log.read_text().splitlines()) <= run * (IMAGES + 1) + kills * scan.PART
