import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.config.recipe import Data, Recipe
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import detector, landmarks, manifest, scan
from ffdi.training.job import plan
from tests.data.pictures import CONTEST, contest_folder, jpeg
from tests.fault.kills import run_killed

IMAGES = {f"{number}.jpg": jpeg(number) for number in range(10)} | {"twin.jpg": jpeg(3), "bad.jpg": b"none"}
WISH = Data(landmarks="detector")
Made = Callable[..., None]


def points(image_HWC: np.ndarray) -> np.ndarray | None:
    """Of every second image or so; decided by the pixels alone."""
    number = hashlib.sha256(image_HWC.tobytes()).digest()[0]
    return None if number % 2 else np.full((5, 2), number / 255, np.float32)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The images that a detector is shown."""
    shown: list[bytes] = []

    def find(image_HWC: np.ndarray) -> np.ndarray | None:
        shown.append(image_HWC.tobytes())
        return points(image_HWC)

    monkeypatch.setattr(detector, "detector", lambda: find)
    monkeypatch.setattr(detector, "require", lambda: None)
    monkeypatch.setattr(landmarks, "CHUNK", 2)
    monkeypatch.setattr(landmarks, "PART", 4)
    return shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return contest_folder(tmp_path / "contest", IMAGES)


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work", tmp_path / "submissions")


@pytest.fixture
def rows(folder: Path, places: Workspace) -> pd.DataFrame:
    return scan.scan(CONTEST, folder, places, 0)


@pytest.fixture
def make(rows: pd.DataFrame, folder: Path, places: Workspace, seen: list[bytes]) -> Made:
    return lambda **more: landmarks.make(more.pop("data", WISH), rows, folder, places, 0, **more)


def test_the_table_has_a_row_for_every_usable_image_that_is_fitted(
    make: Made, places: Workspace, rows: pd.DataFrame, seen: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    made = checksum.read_table(places.landmarks)
    usable = manifest.select(rows, ("train",))
    assert list(made.columns) == landmarks.COLUMNS
    assert list(made["id"]) == list(usable["id"])
    assert len(seen) == 10  # the twin's file is looked at once
    found = made["found"].to_numpy()
    assert 0 < found.sum() < len(found)
    read = landmarks.read(places.landmarks, usable.iloc[::-1])
    assert (read.dtype, read.shape) == (np.float32, (11, 5, 2))
    for row, points_52 in zip(usable.iloc[::-1].to_dict("records"), read, strict=True):
        expected = points(
            scan.measurement.decode((places.work.parent / "contest" / row["relpath"]).read_bytes()).image_HWC
        )
        np.testing.assert_array_equal(points_52, np.full((5, 2), np.nan) if expected is None else expected)
    assert f"landmarks: found in {found.sum()} of 11 images; the rest take the template" in capsys.readouterr().out
    assert not list((places.work / "landmarks").glob("part-*"))


def test_a_template_looks_at_nothing(make: Made, places: Workspace, seen: list[bytes]) -> None:
    make(data=Data())
    assert not seen
    assert not places.landmarks.exists()


def test_what_was_found_is_kept(
    make: Made,
    places: Workspace,
    folder: Path,
    rows: pd.DataFrame,
    seen: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make()
    before, written = places.landmarks.read_bytes(), places.landmarks.stat().st_mtime_ns
    with monkeypatch.context() as without:
        without.setattr(detector, "require", lambda: pytest.fail("a table that is complete needs no detector"))
        make()
        landmarks.require(WISH, places)
    assert (len(seen), places.landmarks.stat().st_mtime_ns) == (10, written)
    moved = rows.assign(split=np.where(rows["id"] == "t.jpg", "val", rows["split"]))
    landmarks.make(Data(landmarks="detector", fit=("val",)), moved, folder, places, 0)
    assert len(seen) == 11  # the one row of another split; those of the first stay
    assert len(checksum.read_table(places.landmarks)) == 12
    make()
    assert len(seen) == 11
    landmarks.make(WISH, rows[rows["split"] == "train"], folder, places, 0)
    assert places.landmarks.read_bytes() == before  # what left the manifest leaves the table


def test_another_detector_looks_again(make: Made, seen: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(landmarks, "FACTS", {"detector": "another"})
    make()
    assert len(seen) == 20


def test_a_stop_keeps_what_was_found(make: Made, places: Workspace, seen: list[bytes]) -> None:
    with pytest.raises(Paused, match="goes on from 2 images"):
        make(stop=Stop(deadline=0.0))
    with pytest.raises(UserError, match=r"does not exist; run `ffdi scan` first"):
        landmarks.read(places.landmarks, pd.DataFrame())
    make()
    assert len(seen) == 10


def test_kills_lose_nothing(make: Made, places: Workspace) -> None:
    make()
    whole = places.landmarks.read_bytes()
    places.landmarks.unlink()
    kills = sum(run_killed(make, 0.1, 3, "landmarks", run) for run in range(2))
    assert places.landmarks.read_bytes() == whole, kills


def test_a_stale_or_damaged_table_is_one_sentence(make: Made, places: Workspace, rows: pd.DataFrame) -> None:
    make()
    train = manifest.select(rows, ("train",))
    with pytest.raises(UserError, match=r"lacks 0\.jpg; run `ffdi scan` again, with the same recipe"):
        landmarks.read(places.landmarks, train.assign(sha256="0" * 64))
    forged = train.head(2).assign(sha256="0" * 64, split="forged")
    assert np.isnan(landmarks.read(places.landmarks, forged)).all()  # of data.extra: not looked for
    data = bytearray(places.landmarks.read_bytes())
    data[len(data) // 2] ^= 1
    places.landmarks.write_bytes(data)
    with pytest.raises(CorruptError):
        landmarks.read(places.landmarks, train)


def test_a_file_that_changed_is_one_sentence(make: Made, folder: Path) -> None:
    (folder / "train" / "5.jpg").write_bytes(jpeg(77))
    with pytest.raises(UserError, match=r"5\.jpg is not the file that was scanned; run `ffdi scan` again"):
        make()
    (folder / "train" / "5.jpg").unlink()
    with pytest.raises(UserError, match=r"5\.jpg cannot be read"):
        make()


def test_the_digest_is_of_the_points() -> None:
    points_N52 = np.random.default_rng(0).random((3, 5, 2), np.float32)
    assert landmarks.digest_of(points_N52) == landmarks.digest_of(points_N52.copy(order="F"))
    assert landmarks.digest_of(points_N52) != landmarks.digest_of(points_N52[::-1])


def test_a_member_takes_the_table_only_if_it_needs_it(make: Made, rows: pd.DataFrame, places: Workspace) -> None:
    make()
    train = manifest.select(rows, ("train",))
    folds = train[["id", "split"]].assign(fold=np.arange(len(train)) % 2, group=0, cluster=0)
    members = [{"name": "a", "model": "m"}, {"name": "b", "model": "m", "forge": {"share": 0.3}}]
    recipe = Recipe.model_validate({"name": "r", "member": members, "folds": {"k": 2}, "data": WISH.model_dump()})
    jobs = plan(recipe, CONTEST, rows, folds, Path(), places)
    assert [job.landmarks for job in jobs] == [None, None, places.landmarks, places.landmarks]
    told = recipe.model_copy(update={"data": Data()})
    before = [job.spec for job in plan(told, CONTEST, rows, folds, Path(), places)]
    assert [job.spec == spec for job, spec in zip(jobs, before, strict=True)] == [True, True, False, False]
    points_N52 = landmarks.read(places.landmarks, jobs[2].train)
    assert len(points_N52) == len(jobs[2].train)
