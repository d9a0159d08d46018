from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ffdi.core import digest
from ffdi.core.errors import CorruptError, FfdiError, Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import hashes, manifest, measurement, processes, scan
from ffdi.data.decode import decode
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg

Scan = Callable[..., pd.DataFrame]
IMAGES = {f"{number}.jpg": jpeg(number) for number in range(12)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return contest_folder(tmp_path / "contest", IMAGES)


@pytest.fixture
def scanned(folder: Path, places: Workspace) -> Scan:
    return lambda **options: scan.scan(CONTEST, folder, places, **{"workers": 0, **options})


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are really looked at, as the scans go."""
    seen: list[str] = []
    plain = measurement.examine

    def watched(folder: Path, relpath: str) -> dict[str, Any]:
        seen.append(relpath)
        return plain(folder, relpath)

    monkeypatch.setattr(measurement, "examine", watched)
    return seen


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK", 2)
    monkeypatch.setattr(scan, "PART", 4)


def test_a_row_says_everything_about_its_image(scanned: Scan, places: Workspace) -> None:
    row = scanned().set_index("id").loc["3.jpg"]
    image = decode(IMAGES["3.jpg"]).image_HWC
    assert (row["split"], row["relpath"], row["target"]) == ("train", "train/3.jpg", 1)
    assert (row["width"], row["height"], row["bytes"], row["mode"]) == (48, 40, len(IMAGES["3.jpg"]), "RGB")
    assert (row["jpeg_q"], row["status"], row["defect"]) == (90, "ok", "")
    assert row["sha256"] == digest.of_bytes(IMAGES["3.jpg"])
    short, long = hashes.hash_thumbs([hashes.thumb(image)])
    assert (row["phash"], row["phash256"]) == (short[0], hashes.to_hex(long)[0])
    assert min(row["sharpness"], row["mean_grey"], row["colourfulness"]) > 0
    written = places.manifest.stat().st_mtime_ns
    pd.testing.assert_frame_equal(manifest.read(places), scanned())
    assert places.manifest.stat().st_mtime_ns == written


def test_what_cannot_be_read_keeps_its_row(
    tmp_path: Path, places: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {
        "good.jpg": jpeg(1),
        "half.jpg": jpeg(2)[:400],
        "none.jpg": b"",
        "gone.jpg": jpeg(3),
        "dot.jpg": jpeg(4, (1, 1)),
    }
    folder = contest_folder(tmp_path / "c", images)
    (folder / "train" / "gone.jpg").unlink()
    made = scan.scan(CONTEST, folder, places, 0).set_index("id")
    defects = {"half.jpg": "truncated", "none.jpg": "empty", "gone.jpg": "missing", "dot.jpg": "tiny"}
    assert made["defect"].to_dict() == {"good.jpg": "", **defects, "t.jpg": ""}
    lost = made[made["status"] == "quarantined"]
    assert len(lost) == 4
    assert (lost["phash256"] == "").all()
    assert made.loc["half.jpg", "sha256"] == digest.of_bytes(images["half.jpg"])
    assert (made.loc["gone.jpg", "sha256"], made.loc["gone.jpg", "bytes"]) == ("", 0)
    assert (made.loc["dot.jpg", "width"], made.loc["dot.jpg", "height"]) == (1, 1)
    assert (
        "train: 1 images are 'truncated', such as 'train/half.jpg': damaged or cut off; copy or download"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("change", "looked"),
    [
        pytest.param(lambda folder: None, [], id="nothing"),
        pytest.param(lambda folder: (folder / "train/2.jpg").write_bytes(jpeg(77)), ["train/2.jpg"], id="an image"),
        pytest.param(lambda folder: (folder / "train/2.jpg").touch(), ["train/2.jpg"], id="its time"),
        pytest.param(
            lambda folder: (folder / "train.txt").write_text("img_name,target\n5.jpg,1\n1.jpg,0"), [], id="labels"
        ),
    ],
)
def test_a_second_scan_looks_only_at_what_changed(
    change: Callable[[Path], object],
    looked: list[str],
    scanned: Scan,
    folder: Path,
    examined: list[str],
    tmp_path: Path,
) -> None:
    scanned()
    examined.clear()
    change(folder)
    again = scanned()
    assert examined == looked
    pd.testing.assert_frame_equal(again, scan.scan(CONTEST, folder, Workspace(tmp_path / "whole", tmp_path), 0))


def test_new_rules_look_at_everything_again(
    scanned: Scan, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned()
    examined.clear()
    monkeypatch.setattr(measurement, "RULES", measurement.RULES + 1)
    scanned()
    assert len(examined) == 13


def test_a_stop_is_noticed_between_chunks_and_keeps_them(
    scanned: Scan, places: Workspace, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    ticks = iter(range(100))
    with pytest.raises(Paused, match=r"\(deadline\); the same command goes on from 6 images"):
        scanned(stop=Stop(deadline=2.0, clock=lambda: float(next(ticks))))
    assert not places.manifest.exists()
    assert len(list(places.scan.glob("part-*.parquet"))) == 2  # 4 images, and the 2 that were done beside
    assert len(scanned()) == 13
    assert len(examined) == 13
    assert list(places.scan.glob("part-*")) == []


def test_a_killed_worker_costs_only_its_chunk(
    scanned: Scan, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = processes.unordered

    def dying(*arguments: Any) -> Iterator[pd.DataFrame]:
        yield next(plain(*arguments))
        raise FfdiError("killed")

    small_parts(monkeypatch)
    monkeypatch.setattr(processes, "unordered", dying)
    with pytest.raises(FfdiError, match="killed"):
        scanned()
    monkeypatch.setattr(processes, "unordered", plain)
    scanned()
    assert len(examined) == 13


def test_a_damaged_part_is_refused_by_name(scanned: Scan, places: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    with pytest.raises(Paused):
        scanned(stop=Stop(deadline=0.0))
    part = next((places.work / "scan").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(CorruptError, match=part.name):
        scanned()


def test_what_the_system_would_not_read_is_tried_again(scanned: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable = measurement.examine(Path("/"), "nothing here.jpg")  # as one that vanishes during the scan
    with monkeypatch.context() as patch:
        patch.setattr(measurement, "examine", lambda folder, relpath: unreadable)
        with pytest.raises(
            UserError, match=r"12 images are 'unreadable', such as 'train/0\.jpg': .* give yourself access"
        ):
            scanned()
    assert set(scanned()["status"]) == {"ok"}


def test_processes_find_what_one_finds(
    scanned: Scan, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = scanned()
    monkeypatch.setattr(scan, "MIN_IMAGES_PER_WORKER", 1)
    monkeypatch.setattr(scan, "CHUNK", 3)
    together = scan.scan(CONTEST, folder, Workspace(tmp_path / "other", tmp_path), workers=2)
    pd.testing.assert_frame_equal(together, alone)
