"""The train and blend kernels through their mains: stopped and gone on, split over kernels, blended from several."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ffdi.core import checksum, digest
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.kernels import blend, pack, team, train
from ffdi.kernels.run import complete
from ffdi.submission.check import render
from ffdi.training import launch
from tests.kernels.conftest import SLUG, Home, Mounts, script_of

WORK = f"work/{SLUG}/sample"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "devices", lambda: ["cpu"])
    monkeypatch.chdir(Path.cwd())  # the main goes to a folder of its own


@pytest.fixture(scope="module")
def recipe_pack(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack.pack_recipe(home.recipe, home.competition, tmp_path_factory.mktemp("pack") / "tiny-recipe")


@pytest.fixture
def run_train(mounts: Mounts, recipe_pack: Path) -> Run:
    return lambda **values: train.main(complete("train", values), team.read(recipe_pack))


@pytest.fixture
def run_blend(mounts: Mounts, recipe_pack: Path) -> Run:
    return lambda **values: blend.main(complete("blend", values), team.read(recipe_pack))


def part(home: Home, mounts: Mounts, at: str, *folds: str) -> None:
    """The output of a kernel that finished only these folds ("one-*/fold0")."""
    target = mounts.input / at / WORK
    target.mkdir(parents=True)
    for name in ("manifest.parquet", "folds"):
        source = home.places.work / name
        shutil.copytree(source, target / name) if source.is_dir() else shutil.copy(source, target / name)
    for pattern in folds:
        for fold in home.places.runs.glob(pattern):
            shutil.copytree(fold, target / "runs" / fold.parent.name / fold.name)


def test_a_train_kernel_goes_on_from_an_attached_output_and_ends_with_the_same_submission(
    home: Home, mounts: Mounts, run_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the fold that is left is trained; what comes out is what the whole road gives at home."""
    mounts.add(home.images, f"competitions/{SLUG}")
    part(home, mounts, "notebooks/me/tiny-train", "one-*/fold*", "two-*/fold0")
    (mounts.working / WORK).mkdir(parents=True)
    record = run_train()
    assert record["left"] == []
    told = capsys.readouterr().out
    assert "3 folds taken over" in told
    assert "two fold 1: 8/8" in told
    assert "fold 0:" not in told
    assert (mounts.working / "submission.csv").read_bytes() == render(home.result.submission, home.competition)
    card = checksum.read_json(mounts.working / "card.json")
    assert card["submission"]["sha256"] == record["submission"]


def test_a_deadline_ends_the_kernel_well_and_says_what_is_left(
    home: Home, mounts: Mounts, run_train: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounts.add(home.images, f"competitions/{SLUG}")
    part(home, mounts, "tiny-train", "one-*/fold*")
    stopped = Mock(side_effect=Paused("two fold 0 stopped (deadline) after step 1 of 2; all is saved."))
    monkeypatch.setattr(launch, "train", stopped)
    assert run_train(until="11h")["left"] == ["two fold 0", "two fold 1"]
    assert stopped.call_args.args[2] is not None  # the deadline
    assert not (mounts.working / "submission.csv").exists()
    assert len(list((mounts.working / WORK).glob("runs/one-*/fold*/done.json"))) == 2
    assert "attach this output" in capsys.readouterr().out
    assert run_train(members=["one"], until="11h")["left"] == ["two fold 0", "two fold 1"]
    shutil.rmtree(mounts.working)
    shutil.rmtree(mounts.input / "tiny-train")
    assert run_train(until="0s")["left"] == ["everything"]


def test_what_is_trained_is_kept_when_a_fold_or_the_blend_fails(
    home: Home, mounts: Mounts, run_train: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kaggle drops the output of a kernel that fails, and with it hours of training."""
    mounts.add(home.images, f"competitions/{SLUG}")
    monkeypatch.setattr(launch, "train", Mock(side_effect=RuntimeError("the GPU\nis lost")))
    with pytest.raises(RuntimeError):  # nothing is trained yet
        run_train()
    shutil.rmtree(mounts.working)
    part(home, mounts, "first", "one-*/fold*")
    record = run_train()
    assert (record["left"], record["doubt"]) == (["two fold 0", "two fold 1"], "the GPU is lost")
    assert "Traceback" in capsys.readouterr().err
    part(home, mounts, "second", "two-*/fold*")
    monkeypatch.setattr(launch, "train", Mock())
    monkeypatch.setattr(blend, "submit", Mock(side_effect=UserError("the blend is refused.")))
    record = run_train()
    assert (record["left"], record["doubt"]) == ([], "the blend is refused.")
    told = capsys.readouterr().err
    assert "What is trained is kept" in told
    assert "Traceback" not in told


def test_several_outputs_are_blended_as_one(home: Home, mounts: Mounts, run_blend: Run) -> None:
    """The half-trained copy of a fold in the first output gives way to the finished one in the second."""
    part(home, mounts, "notebooks/me/first", "one-*/fold*", "two-*/fold0")
    next((mounts.input / "notebooks/me/first" / WORK / "runs").glob("two-*/fold0/done.json")).unlink()
    part(home, mounts, "second", "two-*/fold*")
    run_blend()
    assert (mounts.working / "submission.csv").read_bytes() == render(home.result.submission, home.competition)
    assert checksum.read_json(mounts.working / "card.json")["method"] == "stack"


def test_what_cannot_be_blended_is_one_sentence(home: Home, mounts: Mounts, run_train: Run, run_blend: Run) -> None:
    with pytest.raises(UserError, match="No output of a train kernel is attached"):
        run_blend()
    part(home, mounts, "first", "one-*/fold*")
    with pytest.raises(UserError, match="two fold 0 is not finished"):
        run_blend()
    part(home, mounts, "second", "two-*/fold*")
    (mounts.input / "second" / WORK / "folds" / "group.parquet").write_bytes(b"others")
    with pytest.raises(UserError, match="differs from the folds of another output"):
        run_blend()
    with pytest.raises(UserError, match="members names 'three', which is no member of the recipe; it has one, two"):
        run_train(members=["three"])


def test_pretrained_weights_are_offered_where_the_kit_looks(home: Home, mounts: Mounts, tmp_path: Path) -> None:
    """One is in the pack; the other, which a script with the kit inside does not hold, in another dataset."""
    (tmp_path / "mine.pth").write_text("mine")
    other = mounts.input / "datasets/you/imagenet/test_vit.safetensors"
    other.parent.mkdir(parents=True)
    other.write_text("theirs")
    one = home.recipe.member[0].model_copy(update={"weights": "given/mine.pth"})
    recipe = home.recipe.model_copy(update={"member": (one, home.recipe.member[1])})
    files = {other.name: digest.of_file(other), "mine.pth": digest.of_file(tmp_path / "mine.pth"), "kit.whl": ""}
    pack = replace(home.team, folder=tmp_path, recipe=recipe, files=files)
    train._offer_weights(pack)
    links = {str(path.relative_to(Path.cwd())): path.read_text() for path in Path.cwd().rglob("*.*")}
    names = {"weights/mine.pth": "mine", "given/mine.pth": "mine"}
    assert links == {"weights/test_vit.safetensors": "theirs", **names}
    other.write_text("other weights")
    with pytest.raises(CorruptError, match=r"test_vit\.safetensors is not the file that was packed"):
        train._offer_weights(pack)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_train_and_blend_scripts_run(
    home: Home, mounts: Mounts, recipe_pack: Path, run_script: Callable[..., tuple[int, str]]
) -> None:
    """The blend kernel has the output of the train kernel alone: the kit is in it."""
    mounts.add(home.images, SLUG)
    mounts.add(recipe_pack, "datasets/me/tiny-recipe")
    for kind in ("train", "blend"):
        code, out = run_script(script_of(kind))
        assert code == 0, out
        sent = (mounts.working / "submission.csv").read_bytes()
        assert sent == render(home.result.submission, home.competition)
        shutil.rmtree(mounts.input)
        shutil.move(mounts.working, mounts.input / "notebooks/me/tiny-train")
        mounts.working.mkdir()
