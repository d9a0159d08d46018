import hashlib
import io
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image, JpegImagePlugin

from ffdi.config.forge import FAMILIES, ForgedSet
from ffdi.config.recipe import Data, Folds, Member, Recipe
from ffdi.core.errors import Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import folds, forged, jpeg, processes
from ffdi.data.audit import shortcuts
from ffdi.data.decode import decode
from ffdi.data.scan import scan
from ffdi.report.folds import chance
from ffdi.training.job import FoldJob, plan
from tests.fixtures.kills import run_killed
from tests.fixtures.photographs import photograph
from tests.fixtures.pictures import CONTEST, contest_folder, contest_images, saved

COUNT = 28  # half of them originals
OPTIONS = ForgedSet(images=30, seed=5)
FOLDS = Folds(k=3)
Contest = tuple[Path, pd.DataFrame]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    """The folder and its manifest."""
    place = tmp_path_factory.mktemp("contest")
    folder = contest_folder(place / "images", contest_images(COUNT))
    return folder, scan(CONTEST, folder, Workspace(place / "work", place), 0)


def make(
    contest: Contest, out: Path, options: ForgedSet = OPTIONS, workers: int = 0, stop: Stop | None = None
) -> pd.DataFrame:
    folder, rows = contest
    return forged.make(options, CONTEST.name, forged.originals(rows, ("train",)), folder, out, workers, stop)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(contest: Contest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "set"
    make(contest, out)
    return out


def test_the_set_is_what_its_manifest_says(contest: Contest, whole: Path) -> None:
    made = forged.read(whole)
    assert list(made.columns) == forged.COLUMNS
    assert (len(made), made["id"].is_monotonic_increasing, made["id"].is_unique) == (30, True, True)
    assert set(made["family"]) <= set(FAMILIES)
    assert made["source"].value_counts().max() - 1 <= made["source"].value_counts().min()  # evenly of all originals
    assert "6.jpg" not in set(made["source"])
    sizes = contest[1].set_index("id")[["height", "width"]]
    for row in made.to_dict("records"):
        data = (whole / row["relpath"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (row["sha256"], row["bytes"])
        image = decode(data)
        assert data.startswith(jpeg.SIGNATURE) == row["id"].endswith(".jpg")
        assert tuple(sizes.loc[row["source"]]) == (row["height"], row["width"]) == image.image_HWC.shape[:2]
        assert (row["partner"] != "") == (row["family"] in ("swap", "component", "background"))
        assert row["partner"] != row["source"]
    assert not (whole / "parts").exists()


def test_the_order_of_work_changes_nothing(
    contest: Contest, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(task: Callable[[Any], Any], items: Iterator[Any], _: int) -> Generator[Any, None, None]:
        yield from (task(item) for item in reversed(list(items)))

    monkeypatch.setattr(forged, "CHUNK", 8)
    monkeypatch.setattr(processes, "unordered", backwards)
    make(contest, tmp_path / "set")
    assert contents(tmp_path / "set") == contents(whole)


@pytest.mark.slow
def test_any_number_of_processes_writes_the_same_bytes(
    contest: Contest, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forged, "CHUNK", 8)
    monkeypatch.setattr(forged, "MIN_IMAGES_PER_WORKER", 1)
    make(contest, tmp_path / "set", workers=2)
    assert contents(tmp_path / "set") == contents(whole)


def test_a_set_that_is_there_is_left_alone(contest: Contest, whole: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert len(make(contest, whole)) == 30
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == times


def test_kills_lose_nothing(contest: Contest, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forged, "CHUNK", 4)
    kills, runs = 0, 0
    while kills < 4:
        out = tmp_path / f"set{runs}"
        kills += run_killed(lambda out=out: make(contest, out), 0.3, 4, "forge", runs)  # type: ignore[misc]
        assert contents(out) == contents(whole)
        runs += 1


def test_a_stop_keeps_what_is_made(
    contest: Contest, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forged, "CHUNK", 8)
    with pytest.raises(Paused, match=r"Forge stopped .* goes on from 8 images"):
        make(contest, tmp_path / "set", stop=Stop(deadline=0.0))
    with pytest.raises(UserError, match="no finished set"):
        forged.read(tmp_path / "set")
    make(contest, tmp_path / "set")
    assert contents(tmp_path / "set") == contents(whole)


def test_another_seed_is_another_set_in_another_folder(contest: Contest, whole: Path) -> None:
    options = OPTIONS.model_copy(update={"seed": 6})
    with pytest.raises(UserError, match=r"another \[forge\] .*new folder with --out"):
        make(contest, whole, options)
    sources = forged.originals(contest[1], ("train",))
    one, two = (forged.planned(each, sources, "x") for each in (OPTIONS, options))
    assert (one["key"] != two["key"]).all()


def test_what_cannot_be_forged_of_is_one_sentence(contest: Contest, tmp_path: Path) -> None:
    folder, rows = contest
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="holds other files; name a new folder"):
        make(contest, tmp_path / "mine")
    with pytest.raises(UserError, match="fewer than two"):
        make((folder, rows[rows["id"] == "0.png"]), tmp_path / "one")
    with pytest.raises(UserError, match=r"is not the file that was scanned; run `ffdi folds` again"):
        make((folder, rows.assign(sha256="0" * 64)), tmp_path / "changed")


def test_a_lost_image_is_named(contest: Contest, tmp_path: Path) -> None:
    made = make(contest, tmp_path / "set", OPTIONS.model_copy(update={"images": 2}))
    (tmp_path / "set" / made["relpath"][1]).unlink()
    with pytest.raises(UserError, match=rf"{made['id'][1]} is missing or not as it was written"):
        forged.read(tmp_path / "set")


def test_files_tell_nothing(contest: Contest, tmp_path: Path) -> None:
    """Quality and format, size and shape come from the originals; bytes too where a family leaves most pixels alone."""
    options = ForgedSet(images=120, families={"component": 1, "excision": 1})
    made, sources = make(contest, tmp_path / "set", options), forged.originals(contest[1], ("train",))
    repeated = pd.concat([sources.assign(split=forged.SPLIT)] * 20)  # one split, as data.audit compares them
    found = shortcuts(pd.concat([repeated, made], ignore_index=True)).set_index("feature")["auc"]
    for feature in ("width", "height", "aspect", "jpeg_q", "mode", "bytes", "bits_per_pixel"):
        assert abs(found[feature] - 0.5) < 1.5 * chance(len(repeated), len(made)), feature
    png = shortcuts(pd.concat([repeated, made.assign(jpeg_q=-1)], ignore_index=True)).set_index("feature")["auc"]
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
    with Image.open(io.BytesIO(data)) as image:
        sampling = JpegImagePlugin.get_sampling(image)  # type: ignore[arg-type]
        return image.quantization, sampling, "progression" in image.info


def jobs(contest: Contest, *sets: Path) -> list[FoldJob]:
    folder, rows = contest
    members = Member(name="a", model="test_resnet"), Member(name="b", model="test_resnet", refit_full=True)
    recipe = Recipe(name="r", data=Data(extra=tuple(map(str, sets))), folds=FOLDS, member=members)
    table = folds.fold_table(rows, FOLDS, ("train",))
    return plan(recipe, CONTEST, rows, table, folder, Workspace(folder.parent / "w", folder))


def test_no_fake_is_seen_where_its_source_or_partner_is_held_out(contest: Contest, whole: Path) -> None:
    """No model learns from a fake of an image that it is judged by."""
    made = forged.read(whole).set_index("id")
    planned = jobs(contest, whole)
    assert len(planned) > 1
    for job in planned:
        held = set(job.oof["id"])
        fakes = job.train[job.train["split"] == forged.SPLIT]
        assert all((job.images / relpath).is_file() for relpath in fakes["relpath"])
        mine = made.loc[fakes["id"]]
        assert not held & {*mine["source"], *mine["partner"]}
        missing = made.drop(mine.index)
        assert all(row.source in held or row.partner in held for row in missing.itertuples())
        assert len(mine) == len(made) if job.fold == "full" else 10 < len(mine) < 25
        groups = job.train.set_index("id")["group"]
        assert (groups[mine.index].to_numpy() == groups[mine["source"]].to_numpy()).all()


def test_what_is_judged_stays_what_it_was(contest: Contest, whole: Path) -> None:
    for plain, more in zip(jobs(contest), jobs(contest, whole), strict=True):
        assert plain.rows == more.rows
        assert plain.oof.equals(more.oof)
        assert plain.test.equals(more.test)
        assert plain.spec != more.spec
        assert list(plain.train.columns) == list(more.train.columns)
        old = more.train[more.train["split"] != forged.SPLIT].reset_index(drop=True)
        assert old.equals(plain.train)


def test_sets_that_do_not_fit_are_refused(contest: Contest, whole: Path, tmp_path: Path) -> None:
    folder, rows = contest
    with pytest.raises(UserError, match="name each set of fakes once"):
        jobs(contest, whole, whole)
    with pytest.raises(UserError, match="run `ffdi forge --out"):
        jobs(contest, tmp_path)
    others = rows.assign(id=rows["id"].where(rows["split"] == "test", "x" + rows["id"]))
    with pytest.raises(UserError, match="were made of other images"):
        jobs((folder, others), whole)
