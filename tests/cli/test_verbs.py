"""The verbs as a person uses them, and what each says to bad input."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ffdi.blending import saved
from ffdi.cli import evaluate
from ffdi.cli.project import Options
from ffdi.config.load import load_competition
from ffdi.core import checksum, keys
from ffdi.core.errors import CorruptError
from ffdi.core.layout import Workspace
from ffdi.data import manifest
from ffdi.data.degraded import DAMAGES
from ffdi.data.scan import scan
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
    assert (
        written.img_name.tolist() == pd.read_csv(finished.images / "phase2/testset1_seen_nolabel.txt").img_name.tolist()
    )
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
    assert line.run("train", "member.one.lrr=1e-3") == 2
    assert "did you mean 'lr'" in line.err


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


@pytest.mark.parametrize("verb", ["folds", "train", "blend"])
def test_a_page_that_fails_does_not_change_the_exit_code(
    line: CommandLine, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no such colour")

    page = line.work / "reports" / f"{verb}.html"
    page.unlink()
    monkeypatch.setattr("ffdi.report.plots.panel", fail)
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
    assert len(before) == 9 + len(("forged.parquet", "forged.txt", "forged.json", ".lock"))
    assert line.run("forge", "--out", "fakes") == 0, line.err
    assert files_of(Path("fakes")) == before


@pytest.mark.slow
def test_a_recipe_trains_on_forged_fakes_and_is_not_scored_on_them(line: CommandLine) -> None:
    line.recipe.write_text(FORGING)
    for verb in (("forge", "--out", "fakes"), ("folds",), ("train",), ("blend",)):
        assert line.run(*verb) == 0, line.err
    held = checksum.read_table(next(line.work.glob("runs/one-*/fold0/oof.parquet")))
    assert not held["id"].isin(checksum.read_table(Path("fakes/forged.parquet"))["id"]).any()


def test_a_flipped_bit_in_any_artefact_is_refused_by_name(line: CommandLine) -> None:
    """Manifest, folds, spec, environment, weights, predictions, done, both cards: each file the verbs have written."""
    paths = [path for path in line.folder.rglob("*") if path.suffix in (".parquet", ".json", ".safetensors")]
    names = {path.name for path in paths}
    assert names >= {"manifest.parquet", "group.parquet", "oof.parquet", "blend.parquet", "card.json", "done.json"}
    for path in paths:
        good, rng = path.read_bytes(), keys.rng("flip", path.name)
        for position in rng.integers(0, 8 * len(good), 10):
            bad = bytearray(good)
            bad[position // 8] ^= 1 << (position % 8)
            path.write_bytes(bytes(bad))
            with pytest.raises(CorruptError, match=re.escape(path.name)):
                checksum.read(path)
        path.write_bytes(good[: len(good) // 2])
        with pytest.raises(CorruptError, match=re.escape(path.name)):
            checksum.read(path)


def test_every_image_is_in_a_slice_of_sharpness(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edges are rounded, and the lowest value may lie below what it is rounded to."""
    project = Options(line.recipe, line.images, line.folder / "work", line.folder / "submissions").open()
    blend, plain = saved.load(project.recipe, project.competition, project.places), manifest.read
    monkeypatch.setattr(manifest, "read", lambda places: plain(places).assign(sharpness=12.3678))
    assert evaluate._rows(project, blend)["sharpness"].notna().all()


def test_doctor_measures_every_member(line: CommandLine) -> None:
    assert line.run("doctor") == 0, line.err
    for text in (
        "a random start",
        "one step of two (test_vit, 32 px)",
        "train images/s",
        "2 x T4",
        "1 x H100",
        "computing",
    ):
        assert text in line.out


def _no_table(line: CommandLine) -> None:
    (line.images / "phase1/trainset_label.txt").unlink()


def _doubled_row(line: CommandLine) -> None:
    path = line.images / "phase1/trainset_label.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))


def _stale_folds(line: CommandLine) -> None:
    path = line.images / "phase1/trainset_label.txt"
    text = path.read_text()
    path.write_text(text.replace(",1", ",x", 1).replace(",0", ",1", 1).replace(",x", ",0", 1))
    scan(load_competition("multi-ffdi-phase2"), line.images, Workspace(line.work, line.folder), 0)


def _recipe(old: str, new: str) -> Callable[[CommandLine], None]:
    def change(line: CommandLine) -> None:
        line.recipe.write_text(RECIPE.replace(old, new))

    return change


BAD = {
    "no table": (_no_table, "folds", "trainset_label.txt"),
    "a row twice": (_doubled_row, "folds", "row"),
    "stale folds": (_stale_folds, "train", "ffdi folds"),
    "too large": (_recipe("test_resnet", "convnext_xlarge"), "train", "over the limit of 200,000,000"),
    "too large to ask": (_recipe("test_resnet", "convnext_xlarge"), "doctor", "the limit of 200,000,000"),
    "no weights to ask": (_recipe('weights = "none"', 'weights = "auto"'), "doctor", "weights/test_resnet"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(line: CommandLine, name: str) -> None:
    change, verb, named = BAD[name]
    change(line)
    assert line.run(verb) == 2
    assert named in " ".join(line.err.split())
    assert "Traceback" not in line.err + line.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evaluate", "nowhere.csv"], "nowhere.csv"),
        (["evaluate", "a.csv", "b.csv"], "Only one submission"),
        (["evaluate", "--labels", "truth.csv"], "--labels belongs to a submission"),
        (["score"], "Name image files"),
        (["score", f"member.one.weights={'long' * 100}"], "Name image files"),
    ],
)
def test_bad_arguments_too(line: CommandLine, arguments: list[str], named: str) -> None:
    assert line.run(*arguments) == 2
    assert named in " ".join(line.err.split())


def test_images_that_were_replaced_are_read_again_first(line: CommandLine) -> None:
    for path in line.images.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"longer")
    assert line.run("train") == 2
    assert "is not the file that `ffdi folds` has read; run it again" in " ".join(line.err.split())
    assert line.run("folds") == 0, line.err
    assert Options(line.recipe, line.images, line.folder / "work").open().tables()


def test_the_home_of_nobody_is_no_folder(line: CommandLine) -> None:
    assert line.run("folds", "data.folder='~no-such-user/mine'", places=False) == 2
    assert "The competition folder ~no-such-user/mine does not exist" in " ".join(line.err.split())


def test_a_file_is_not_taken_for_an_empty_ledger(line: CommandLine) -> None:
    assert line.run("ledger", "--submissions", str(line.recipe), places=False, recipe=False) == 2
    assert "is a file; name a folder of submissions with --submissions" in " ".join(line.err.split())
