"""The verbs as a person uses them, and what each says to bad input."""

from importlib.resources import files
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest

from ffdi.blending import saved
from ffdi.cli import evaluate
from ffdi.cli.project import Options
from ffdi.core import checksum
from ffdi.data import manifest
from ffdi.data.degraded import DAMAGES
from ffdi.kernels import team
from tests.fixtures.command_line import RECIPE, CommandLine

FORGING = RECIPE.replace("workers = 0", 'workers = 0\nextra = ["fakes"]') + "[forge]\nimages = 9\n"


def files_of(folder: Path) -> dict[Path, bytes]:
    """Return the bytes of every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_way_leaves_pages_and_a_submission(finished: CommandLine) -> None:
    for page in ("folds", "train", "blend"):
        assert (finished.work / "reports" / f"{page}.html").stat().st_size > 5_000
    submission = finished.folder / "submissions" / "001-tiny" / "submission.csv"
    assert str(submission) in finished.out
    written = pd.read_csv(submission)
    asked = pd.read_csv(finished.images / "phase2/testset1_seen_nolabel.txt")
    assert written.img_name.tolist() == asked.img_name.tolist()
    assert list(written.columns) == ["img_name", "y_pred"]
    card = checksum.read_json(submission.parent / "card.json")
    assert {member["name"] for member in card["members"]} == {"one", "two"}
    assert str(finished.folder) not in (submission.parent / "card.json").read_text()


def test_a_finished_verb_does_nothing_again(finished: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.folder)
    before = files_of(finished.work)
    assert {"manifest.parquet", "group.parquet", "blend.parquet"} < {path.name for path in before}
    for verb in ("folds", "train", "blend"):
        assert finished.run(verb) == 0, finished.err
    assert files_of(finished.work) == before
    assert [path.name for path in (finished.folder / "submissions").iterdir() if path.is_dir()] == ["001-tiny"]


def test_a_changed_recipe_trains_what_changed_and_nothing_else(line: CommandLine) -> None:
    before = {path.name for path in (line.work / "runs").iterdir()}
    assert line.run("train", "member.one.lr=1e-3", "member.two.tta=['hflip']") == 0, line.err
    (new,) = {path.name for path in (line.work / "runs").iterdir()} - before
    assert new.startswith("one-")


def test_evaluate_shows_slices_degraded_copies_and_a_submission(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line.run("evaluate") == 0, line.err
    assert "run `ffdi folds` with folds.scheme" in line.out
    for kind in DAMAGES.keys() - {"jpeg_low", "noise"}:
        monkeypatch.delitem(DAMAGES, kind)
    for predicted in (True, False):
        assert line.run("evaluate", "--degraded") == 0, line.err
        assert "JPEG 10 to 30" in line.out
        assert ("one fold 0 noise" in line.out) == predicted
    assert 'id="degradation"' in (line.work / "reports" / "evaluate.html").read_text()
    truth = str(line.images / "test_truth.csv")
    assert line.run("evaluate", "submissions/001-tiny", "--labels", truth, places=False) == 0, line.err
    assert "AUC" in line.out


def test_a_page_that_fails_does_not_change_the_exit_code(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffdi.report.plots.panel", Mock(side_effect=ValueError("no such colour")))
    for verb in ("folds", "train", "blend"):
        page = line.work / "reports" / f"{verb}.html"
        page.unlink()
        assert line.run(verb) == 0, line.err
        told = " ".join(line.err.split())
        assert f"The page {verb}.html was not written (ValueError: no such colour)" in told
        assert told.count("warning: The page") == 1
        assert not page.exists()


def test_fakes_are_forged_once(line: CommandLine) -> None:
    line.recipe.write_text(FORGING)
    assert line.run("forge", "--out", "fakes") == 0, line.err
    assert "extra = ['fakes'] in [data] of the recipe" in line.out
    before = files_of(Path("fakes"))
    assert len(before) == 9 + len(("forged.parquet", "forged.json", ".lock"))
    assert line.run("forge", "--out", "fakes") == 0, line.err
    assert files_of(Path("fakes")) == before


@pytest.mark.slow
def test_a_recipe_trains_on_forged_fakes_and_is_not_scored_on_them(line: CommandLine) -> None:
    line.recipe.write_text(FORGING)
    for verb in (("forge", "--out", "fakes"), ("folds",), ("train",), ("blend",)):
        assert line.run(*verb) == 0, line.err
    held = checksum.read_table(next(line.work.glob("runs/one-*/fold0/oof.parquet")))
    assert not held["id"].isin(checksum.read_table(Path("fakes/forged.parquet"))["id"]).any()


def test_a_competition_of_ones_own_travels_in_the_dataset(line: CommandLine) -> None:
    shipped = (files("ffdi") / "competitions" / "multi-ffdi-phase2.toml").read_text()
    Path("other.toml").write_text(shipped.replace('"multi-ffdi-phase2"', '"other"'))
    line.recipe.write_text('competition = "other.toml"' + RECIPE)
    script = Path(__file__).parents[2] / "kernels" / "train.py"
    assert line.run("kernels", "pack", "--train", "--single-file", str(script)) == 0, line.err
    folder = line.folder / "work/other/contest/kernels/tiny-recipe"
    assert (team.read(folder).competition.name, team.read(folder).recipe.competition) == ("other", "other")
    written = folder.with_name("tiny-train.py")
    assert f"{written}: " in line.out
    assert script.read_text().partition("def install")[2].partition("PACK =")[0] in written.read_text()
    assert line.run("kernels", "pack", "--train") == 0
    assert "upload the folder as a dataset, attach it, and paste kernels/train.py" in line.out


def test_every_artefact_has_a_checksum(finished: CommandLine) -> None:
    """Manifest, folds, spec, environment, weights, predictions, done, both cards."""
    paths = [path for path in finished.folder.rglob("*") if path.suffix in (".parquet", ".json", ".safetensors")]
    names = {path.name for path in paths}
    assert names >= {"manifest.parquet", "group.parquet", "oof.parquet", "blend.parquet", "card.json", "done.json"}
    for path in paths:
        checksum.read(path)


def test_every_image_is_in_a_slice_of_sharpness(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges are rounded, and the lowest value may lie below what it is rounded to."""
    project = Options(line.recipe, line.images, line.folder / "work", line.folder / "submissions").open()
    blend, plain = saved.load(project.recipe, project.competition, project.places), manifest.read
    monkeypatch.setattr(manifest, "read", lambda places: plain(places).assign(sharpness=12.3678))
    assert evaluate._rows(project, blend)["sharpness"].notna().all()


def test_doctor_measures_every_member(line: CommandLine) -> None:
    assert line.run("doctor") == 0, line.err
    computed = ("computing", "train images/s", "2 x T4", "1 x H100")
    for text in ("a random start", "one step of two (test_vit, 32 px)", *computed):
        assert text in line.out


def test_a_change_may_be_longer_than_a_file_name(line: CommandLine) -> None:
    assert line.run("score", f"member.one.weights={'long' * 100}") == 2
    assert "Name image files" in line.err


def test_the_home_of_nobody_is_no_folder(line: CommandLine) -> None:
    assert line.run("folds", "data.folder='~no-such-user/mine'", places=False) == 2
    assert "The competition folder ~no-such-user/mine does not exist" in " ".join(line.err.split())


def test_a_file_is_not_taken_for_an_empty_ledger(line: CommandLine) -> None:
    assert line.run("ledger", "--submissions", str(line.recipe), places=False, recipe=False) == 2
    assert "is a file; name a folder of submissions with --submissions" in " ".join(line.err.split())
