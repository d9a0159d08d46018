"""SIGKILL at random instants of a scan: the manifest is that of an undisturbed one, and little is done twice."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ffdi.core import atomic
from ffdi.core.layout import Workspace
from ffdi.data import manifest, measurement, scan
from tests.fixtures.kills import run_killed
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg

IMAGES = 150


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return contest_folder(tmp_path / "contest", {f"{number}.jpg": jpeg(number) for number in range(IMAGES)})


def scanning(folder: Path, places: Workspace) -> Callable[[], None]:
    def work() -> None:
        scan.scan(CONTEST, folder, places, 0)

    return work


@pytest.mark.parametrize("wanted", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_lose_nothing(wanted: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 5)
    monkeypatch.setattr(scan, "PART", 10)
    whole = scan.scan(CONTEST, folder, Workspace(tmp_path / "whole", tmp_path), 0)  # imports what is imported late, too
    kills, run = 0, 0
    while kills < wanted:
        places = Workspace(tmp_path / f"work{run}", tmp_path)
        kills += run_killed(scanning(folder, places), 0.5, 8, "scan", run)
        pd.testing.assert_frame_equal(manifest.read(places), whole)
        assert [path.name for path in places.work.rglob("*") if path.is_file()] == ["manifest.parquet", ".lock"]
        run += 1
    assert kills >= wanted


def test_a_kill_costs_at_most_the_part_at_work(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 5)
    monkeypatch.setattr(scan, "PART", 10)
    places, log = Workspace(tmp_path / "work", tmp_path), tmp_path / "looked"
    plain = measurement.examine

    def logged(folder: Path, relpath: str) -> dict[str, object]:
        with log.open("a") as file:
            file.write(relpath + "\n")
        return plain(folder, relpath)

    monkeypatch.setattr(measurement, "examine", logged)
    kills = run_killed(scanning(folder, places), 0.4, 10, "scan", "log")
    assert len(log.read_text().splitlines()) <= IMAGES + 1 + kills * scan.PART
    assert not list(places.work.rglob(atomic.TEMP_PREFIX + "*"))
