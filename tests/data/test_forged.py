import hashlib
import io
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from ffdi.config.forge import FAMILIES, ForgedSet
from ffdi.core.errors import Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import extra, forged, jpeg, processes
from ffdi.data.audit import shortcuts
from ffdi.data.decode import decode
from ffdi.data.scan import scan
from ffdi.report.folds import chance
from tests.fixtures.kills import run_killed
from tests.fixtures.photographs import photograph
from tests.fixtures.pictures import CONTEST, contest_folder, contest_images, saved

COUNT = 28  # half of them originals
OPTIONS = ForgedSet(images=30, seed=5)


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """The folder and what fakes are made of."""
    place = tmp_path_factory.mktemp("contest")
    folder = contest_folder(place / "images", contest_images(COUNT))
    return folder, forged.originals(scan(CONTEST, folder, Workspace(place / "work", place), 0), ("train",))


def make(contest: tuple[Path, pd.DataFrame], out: Path, options: ForgedSet = OPTIONS, workers: int = 0) -> pd.DataFrame:
    folder, sources = contest
    return forged.make(options, CONTEST, sources, folder, out, workers)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(contest: tuple[Path, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "set"
    make(contest, out)
    return out


def test_the_set_is_what_its_manifest_says(contest: tuple[Path, pd.DataFrame], whole: Path) -> None:
    sources = contest[1]
    made = extra.read(whole)
    assert list(made.columns) == forged.COLUMNS
    assert (len(made), made["id"].is_monotonic_increasing, made["id"].is_unique) == (30, True, True)
    assert set(made["family"]) <= set(FAMILIES)
    assert made["source"].value_counts().max() - 1 <= made["source"].value_counts().min()  # evenly of all originals
    assert "6.jpg" not in set(made["source"])
    lines = (whole / "forged.txt").read_text().splitlines()
    assert lines == ["img_name,target", *(f"{name},1" for name in made["id"])]
    sizes = sources.set_index("id")[["height", "width"]]
    for row in made.to_dict("records"):
        data = (whole / row["relpath"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (row["sha256"], row["bytes"])
        image = decode(data)
        assert image.format == {"jpg": "JPEG", "png": "PNG"}[row["id"][-3:]]
        assert tuple(sizes.loc[row["source"]]) == (row["height"], row["width"]) == image.image_HWC.shape[:2]
        assert (row["partner"] != "") == (row["family"] in ("swap", "component", "background"))
        assert row["partner"] != row["source"]
    assert not (whole / "parts").exists()


def test_the_order_of_work_changes_nothing(
    contest: tuple[Path, pd.DataFrame], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(task: Callable[[Any], Any], items: Iterator[Any], _: int) -> Generator[Any, None, None]:
        yield from (task(item) for item in reversed(list(items)))

    monkeypatch.setattr(forged, "CHUNK", 8)
    monkeypatch.setattr(processes, "unordered", backwards)
    make(contest, tmp_path / "set")
    assert contents(tmp_path / "set") == contents(whole)


@pytest.mark.slow
def test_any_number_of_processes_writes_the_same_bytes(
    contest: tuple[Path, pd.DataFrame], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forged, "CHUNK", 8)
    monkeypatch.setattr(forged, "MIN_IMAGES_PER_WORKER", 1)
    make(contest, tmp_path / "set", workers=2)
    assert contents(tmp_path / "set") == contents(whole)


def test_a_set_that_is_there_is_left_alone(contest: tuple[Path, pd.DataFrame], whole: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert len(make(contest, whole)) == 30
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == times


def test_kills_lose_nothing(
    contest: tuple[Path, pd.DataFrame], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forged, "CHUNK", 4)
    kills, runs = 0, 0
    while kills < 4:
        out = tmp_path / f"set{runs}"
        kills += run_killed(lambda out=out: make(contest, out), 0.3, 4, "forge", runs)  # type: ignore[misc]
        assert contents(out) == contents(whole)
        runs += 1


def test_a_stop_keeps_what_is_made(
    contest: tuple[Path, pd.DataFrame], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forged, "CHUNK", 8)
    folder, sources = contest
    with pytest.raises(Paused, match=r"Forge stopped .* goes on from 8 images"):
        forged.make(OPTIONS, CONTEST, sources, folder, tmp_path / "set", 0, Stop(deadline=0.0))
    with pytest.raises(UserError, match="no finished set"):
        extra.read(tmp_path / "set")
    make(contest, tmp_path / "set")
    assert contents(tmp_path / "set") == contents(whole)


def test_another_seed_is_another_set_in_another_folder(contest: tuple[Path, pd.DataFrame], whole: Path) -> None:
    options = OPTIONS.model_copy(update={"seed": 6})
    with pytest.raises(UserError, match=r"another \[forge\] .*new folder with --out"):
        make(contest, whole, options)
    sources = contest[1]
    one, two = (forged.planned(each, sources, "x") for each in (OPTIONS, options))
    assert (one["key"] != two["key"]).all()


def test_what_cannot_be_forged_of_is_one_sentence(contest: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    folder, sources = contest
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="holds other files; name a new folder"):
        make(contest, tmp_path / "mine")
    with pytest.raises(UserError, match="fewer than two"):
        make((folder, sources.head(1)), tmp_path / "one")
    with pytest.raises(UserError, match=r"is not the file that was scanned; run `ffdi folds` again"):
        make((folder, sources.assign(sha256="0" * 64)), tmp_path / "changed")


def test_a_lost_image_is_named(contest: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    made = make(contest, tmp_path / "set", OPTIONS.model_copy(update={"images": 2}))
    (tmp_path / "set" / made["relpath"][1]).unlink()
    with pytest.raises(UserError, match=rf"{made['id'][1]} is missing or not as it was written"):
        extra.read(tmp_path / "set")


def beside(made: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Return fakes and their originals in one table of one split, as data.audit compares them."""
    return pd.concat([sources.assign(split=extra.SPLIT), made], ignore_index=True)


def test_files_tell_nothing(contest: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    """Quality and format, size and shape come from the originals; bytes too where a family leaves most pixels alone."""
    options = ForgedSet(images=120, families={"component": 1, "excision": 1})
    made, sources = make(contest, tmp_path / "set", options), contest[1]
    repeated = pd.concat([sources] * 20, ignore_index=True)
    found = shortcuts(beside(made, repeated)).set_index("feature")["auc"]
    for feature in ("width", "height", "aspect", "jpeg_q", "mode", "bytes", "bits_per_pixel"):
        assert abs(found[feature] - 0.5) < 1.5 * chance(len(repeated), len(made)), feature
    png = shortcuts(beside(made.assign(jpeg_q=-1), repeated)).set_index("feature")["auc"]
    assert png["jpeg_q"] < 0.3  # the measure sees what plain PNG would give away


@pytest.mark.parametrize("quality", [30, 75, 96])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_file_is_written_as_its_donor_was(quality: int, subsampling: int, progressive: bool) -> None:
    picture = Image.fromarray(photograph(50, 60, 1))
    donor = saved(picture, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
    made = forged.encode_like(photograph(40, 44, 2), donor)
    assert jpeg.quality(made) == jpeg.quality(donor) == quality
    assert _format(made) == _format(donor)
    assert forged.encode_like(decode(donor).image_HWC, donor)[:20] == donor[:20]


def _format(data: bytes) -> Iterable[object]:
    from PIL import JpegImagePlugin

    with Image.open(io.BytesIO(data)) as image:
        sampling = JpegImagePlugin.get_sampling(image)  # type: ignore[arg-type]
        return image.quantization, sampling, "progression" in image.info  # type: ignore[attr-defined]
