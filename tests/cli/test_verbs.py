"""The verbs as a person uses them, on a small folder of the contest's shape; and what each says to bad input."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest

from ffdi.cli import main as command
from ffdi.config.load import load_competition
from ffdi.core import checksum, keys
from ffdi.core.errors import CorruptError
from ffdi.core.layout import Workspace
from ffdi.data.degraded import DAMAGES
from ffdi.data.scan import scan
from tests.fixtures.contest_folder import contest_folder

RECIPE = """
name = "tiny"
[folds]
k = 2
[data]
workers = 0
[defaults]
weights = "none"
image_size = 32
batch_size = 8
epochs = 2
[[member]]
name = "one"
model = "test_resnet"
[[member]]
name = "two"
model = "test_vit"
"""


@dataclass
class Desk:
    """`run(verb, …)` gives the exit code; `out` and `err` are what it printed."""

    folder: Path
    images: Path
    recipe: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    out: str = ""
    err: str = ""

    def run(self, verb: str, *more: str, places: bool = True) -> int:
        arguments = ["ffdi", verb, *more, "--recipe", str(self.recipe)]
        if places:
            arguments += ["--data", str(self.images), "--work", str(self.folder / "work")]
            arguments += ["--submissions", str(self.folder / "submissions")]
        self.monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            command.main()
        self.out, self.err = self.capsys.readouterr()
        return int(ended.value.code or 0)

    @property
    def work(self) -> Path:
        return self.folder / "work" / "multi-ffdi-phase2" / "contest"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole road was walked once."""
    folder = tmp_path_factory.mktemp("desk")
    contest_folder(folder / "contest")
    (folder / "tiny.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def desk(finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(finished)
    return Desk(finished, finished / "contest", finished / "tiny.toml", capsys, monkeypatch)


@pytest.fixture
def other(tmp_path: Path, desk: Desk) -> Desk:
    """A copy that a test may spoil."""
    shutil.copytree(desk.folder, tmp_path / "copy", dirs_exist_ok=True)
    desk.folder, desk.images, desk.recipe = (tmp_path / "copy" / name for name in (".", "contest", "tiny.toml"))
    desk.monkeypatch.chdir(desk.folder)
    return desk


def test_the_whole_road_and_again(desk: Desk) -> None:
    for verb in ("folds", "train", "blend"):
        assert desk.run(verb) == 0, desk.err
        assert (desk.work / "reports" / f"{verb}.html").stat().st_size > 5_000
    assert (desk.work / "reports" / "scan.html").stat().st_size > 5_000
    submission = desk.folder / "submissions" / "001-tiny" / "submission.csv"
    assert str(submission) in desk.out
    names = pd.read_csv(desk.images / "phase2/testset1_seen_nolabel.txt").img_name
    written = pd.read_csv(submission)
    assert written.img_name.tolist() == names.tolist()
    assert list(written.columns) == ["img_name", "y_pred"]
    card = checksum.read_json(submission.parent / "card.json")
    assert {member["name"] for member in card["members"]} == {"one", "two"}
    assert desk.run("evaluate") == 0, desk.err
    assert "run `ffdi folds` with folds.scheme" in desk.out
    assert (desk.work / "reports" / "evaluate.html").stat().st_size > 5_000
    for kind in DAMAGES.keys() - {"jpeg_low", "patch"}:
        desk.monkeypatch.delitem(DAMAGES, kind)
    for predicted in (True, False):
        assert desk.run("evaluate", "--degraded") == 0, desk.err
        assert "JPEG 10 to 30" in desk.out
        assert ("one fold 0 patch" in desk.out) == predicted
    assert 'id="degradation"' in (desk.work / "reports" / "evaluate.html").read_text()
    before = {path: path.read_bytes() for path in desk.work.rglob("*") if path.is_file()}
    for verb in ("folds", "train", "predict", "blend"):
        assert desk.run(verb) == 0, desk.err
    assert {path: path.read_bytes() for path in desk.work.rglob("*") if path.is_file()} == before
    assert [path.name for path in submission.parent.parent.iterdir() if path.is_dir()] == ["001-tiny"]
    assert (
        desk.run("evaluate", str(submission.parent), "--labels", str(desk.images / "test_truth.csv"), places=False) == 0
    )
    assert "AUC" in desk.out


@pytest.mark.parametrize("verb", ["folds", "train", "blend"])
def test_a_page_that_fails_does_not_change_the_exit_code(other: Desk, verb: str) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such colour")

    page = other.work / "reports" / f"{verb}.html"
    page.unlink()
    other.monkeypatch.setattr("ffdi.report.style.panel", fail)
    assert other.run(verb) == 0, other.err
    told = " ".join(other.err.split())
    assert f"The page {verb}.html was not written (ValueError: no such colour)" in told
    assert told.count("warning: The page") == 1
    assert not page.exists()


FORGING = RECIPE.replace("workers = 0", 'workers = 0\nextra = ["fakes"]') + "[forge]\nimages = 9\n"


def test_fakes_are_forged_once(other: Desk) -> None:
    other.recipe.write_text(FORGING)
    assert other.run("folds") == 0, other.err
    assert other.run("forge", "--out", "fakes") == 0, other.err
    assert "extra = ['fakes'] in [data] of the recipe" in other.out
    assert (other.work / "reports" / "forge.html").stat().st_size > 5_000
    before = {path: path.read_bytes() for path in Path("fakes").rglob("*") if path.is_file()}
    assert len(before) == 9 + len(("forged.parquet", "forged.txt", "forged.json", ".lock"))
    assert other.run("forge", "--out", "fakes") == 0, other.err
    assert {path: path.read_bytes() for path in Path("fakes").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_recipe_trains_on_forged_fakes_and_is_not_judged_by_them(other: Desk) -> None:
    other.recipe.write_text(FORGING)
    for verb in (("folds",), ("forge", "--out", "fakes"), ("train",), ("blend",)):
        assert other.run(*verb) == 0, other.err
    held = checksum.read_table(next(other.work.glob("runs/one-*/fold0/oof.parquet")))
    assert not held["id"].isin(checksum.read_table(Path("fakes/forged.parquet"))["id"]).any()


def test_a_flipped_bit_in_any_artefact_is_refused_by_name(desk: Desk) -> None:
    """Manifest, folds, spec, environment, weights, predictions, done, both cards: each file the verbs have written."""
    kinds = (".parquet", ".json", ".safetensors")
    sealed = [path for path in desk.folder.rglob("*") if path.suffix in kinds]
    assert {path.name for path in sealed} >= {
        "manifest.parquet",
        "group.parquet",
        "oof.parquet",
        "card.json",
        "done.json",
    }
    for path in sealed:
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
        path.write_bytes(good)


def test_no_absolute_path_in_what_is_shipped(desk: Desk) -> None:
    for path in (desk.folder / "submissions").rglob("card.json"):
        assert str(desk.folder) not in path.read_text()


def test_doctor_measures_every_member_and_a_package_without_metadata_is_a_dash(desk: Desk) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    desk.monkeypatch.setattr("ffdi.cli.doctor.version", version)
    assert desk.run("doctor") == 0
    for text in ("a random start", "one step of two (test_vit, 32 px)", "train images/s", "2 x T4", "computing"):
        assert text in desk.out
    assert re.search(r"kaggle\W+-\s", desk.out)


def _no_table(desk: Desk) -> None:
    (desk.images / "phase1/trainset_label.txt").unlink()


def _twin_rows(desk: Desk) -> None:
    path = desk.images / "phase1/trainset_label.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]))


def _no_manifest(desk: Desk) -> None:
    (desk.work / "manifest.parquet").unlink()


def _stale_folds(desk: Desk) -> None:
    path = desk.images / "phase1/trainset_label.txt"
    text = path.read_text()
    path.write_text(text.replace(",1", ",x", 1).replace(",0", ",1", 1).replace(",x", ",0", 1))
    scan(load_competition("multi-ffdi-phase2"), desk.images, Workspace(desk.work, desk.folder), 0)


def _bad_recipe(desk: Desk) -> None:
    desk.recipe.write_text(RECIPE.replace("epochs", "epoch"))


def _too_big(desk: Desk) -> None:
    desk.recipe.write_text(RECIPE.replace('name = "tiny"', 'name = "tiny"\nmax_params = 1000'))


def _no_weights(desk: Desk) -> None:
    desk.recipe.write_text(RECIPE.replace('weights = "none"', 'weights = "auto"'))


def _unknown_model(desk: Desk) -> None:
    desk.recipe.write_text(RECIPE.replace("test_resnet", "test_resnot"))


def _unknown_view(desk: Desk) -> None:
    desk.recipe.write_text(RECIPE.replace("epochs = 2", 'epochs = 2\ntta = ["sideways"]'))


def _damaged_folds(desk: Desk) -> None:
    path = desk.work / "folds/group.parquet"
    path.write_bytes(path.read_bytes()[:-3])


def _unfinished(desk: Desk) -> None:
    next(desk.work.glob("runs/one-*/fold1/done.json")).unlink()


def _damaged_oof(desk: Desk) -> None:
    path = next(desk.work.glob("runs/two-*/fold0/oof.parquet"))
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(bytes(content))


def _untrained(desk: Desk) -> None:
    shutil.rmtree(next(desk.work.glob("runs/one-*")))


@pytest.mark.parametrize(
    ("spoil", "verb", "named"),
    [
        (_no_table, "folds", "trainset_label.txt"),
        (_twin_rows, "folds", "row"),
        (_no_manifest, "train", "manifest.parquet"),
        (_stale_folds, "train", "ffdi folds"),
        (_damaged_folds, "train", "group.parquet"),
        (_bad_recipe, "folds", "did you mean 'epochs'"),
        (_too_big, "train", "over the limit of 1,000"),
        (_too_big, "doctor", "over the limit of 1,000"),
        (_no_weights, "train", "weights/test_resnet"),
        (_no_weights, "doctor", "weights/test_resnet"),
        (_unknown_model, "doctor", "test_resnet"),
        (_unknown_view, "train", "sideways"),
        (_untrained, "predict", "one fold 0"),
        (_unfinished, "blend", "one"),
        (_damaged_oof, "blend", "oof.parquet"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    other: Desk, spoil: Callable[[Desk], None], verb: str, named: str
) -> None:
    spoil(other)
    if spoil in (_no_weights, _unknown_view) and verb == "train":
        shutil.rmtree(other.work / "runs")
    assert other.run(verb) == 2
    assert named in " ".join(other.err.split())
    assert "Traceback" not in other.err + other.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--until", "soon"], "--until 'soon' is no time"),
        (["train", "--until", "2001-01-01T00:00"], "is over already"),
        (["folds", "--data", "nowhere"], "nowhere"),
        (["evaluate", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_bad_arguments_too(other: Desk, arguments: list[str], named: str) -> None:
    assert other.run(*arguments, places=arguments[0] == "train") == 2
    assert named in " ".join(other.err.split())
