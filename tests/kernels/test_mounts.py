"""Where a kernel finds the competition, the outputs of other kernels, and the rows of the submission."""

from pathlib import Path

import pytest

from ffdi.config.competition import Competition, Split
from ffdi.config.load import load_competition
from ffdi.core import inputs
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.kernels import mounts as kaggle
from ffdi.kernels.mounts import image_names, submission_rows
from tests.kernels.conftest import TABLE, TEST, Mounts

ALL = ["train", "val", "test"]


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def competition() -> Competition:
    return load_competition("multi-ffdi-phase2")


def tables(competition: Competition, *splits: str) -> list[str]:
    found = [competition.splits[split] for split in splits]
    return [name for split in found for name in (split.labels, f"{split.images}/a.jpg")]


@pytest.mark.parametrize(
    "at",
    [
        "competitions/multi-ffdi-phase2",
        "multi-ffdi-phase2",
        "multi-ffdi-phase2/inner",
        "datasets/someone/copy-of-it/multi-ffdi",
    ],
)
def test_the_competition_is_known_by_its_tables(mounts: Mounts, competition: Competition, at: str) -> None:
    put(mounts.input / at, *tables(competition, *ALL))
    put(mounts.input / "datasets/else/phase1", "trainset_label.txt")
    assert kaggle.competition_folder(competition, ALL) == (mounts.input / at, competition)


def test_phases_mounted_apart_are_joined_by_their_paths(mounts: Mounts, competition: Competition) -> None:
    put(mounts.input / "competitions/multi-ffdi", *tables(competition, "train", "val"))
    put(mounts.input / "competitions/multi-ffdi-phase2", *tables(competition, "test"))
    folder, moved = kaggle.competition_folder(competition, ALL)
    assert folder == mounts.input
    assert moved.train.labels == "competitions/multi-ffdi/phase1/trainset_label.txt"
    assert moved.test.images == "competitions/multi-ffdi-phase2/phase2/testset1_seen"
    assert kaggle.competition_folder(competition, ["test"])[1] == competition


def test_a_contest_without_a_table_is_known_by_its_slug(mounts: Mounts, competition: Competition) -> None:
    test = competition.test.model_copy(update={"labels": "", "images": "test"})
    contest = competition.model_copy(update={"test": test})
    at = "competitions/multi-ffdi-phase2"
    put(mounts.input, "datasets/else/test/a.jpg")
    with pytest.raises(UserError, match=r"the folder test of multi-ffdi-phase2; attach it .* holds datasets, "):
        kaggle.competition_folder(contest, ["test"])
    put(mounts.input, f"{at}/test/b.jpg")
    assert kaggle.competition_folder(contest, ["test"]) == (mounts.input / at, contest)
    put(mounts.input / "competitions/multi-ffdi", *tables(competition, "train"))
    folder, moved = kaggle.competition_folder(contest, ["train", "test"])
    assert (folder, moved.test.labels, moved.test.images) == (mounts.input, "", f"{at}/test")


def test_outputs_are_those_that_hold_runs_or_a_part_of_a_scan(mounts: Mounts, competition: Competition) -> None:
    part, work = "scan/part-00001.parquet", f"work/{competition.name}/sample"
    put(mounts.input, f"notebooks/me/first/{work}/runs/x", f"second/{work}/runs/x", "third/work/notes.txt")
    put(mounts.input, f"datasets/me/early/{work}/{part}")
    found = kaggle.outputs()
    assert found == sorted(mounts.input / at for at in ("datasets/me/early", "notebooks/me/first", "second"))
    to = Workspace(mounts.working / work, mounts.working)
    assert kaggle.gather(to, kaggle.copy) == 0
    assert (to.work / part).is_file()


def test_nothing_mounted_is_said_so(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kaggle.listing() == f"{mounts.input} holds nothing"
    monkeypatch.setenv("FFDI_INPUT", str(mounts.input / "no"))
    assert kaggle.listing().endswith("does not exist")
    assert kaggle.outputs() == []


def test_folders_of_images_are_not_walked(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_ENTRIES", 3)
    put(mounts.input, "many/a.jpg", "many/b.jpg", "many/c.jpg", "many/d/mark", "few/deep/mark")
    assert len(list(inputs.children(mounts.input / "many"))) <= 1
    assert mounts.input / "few/deep" in inputs.folders_with(lambda path: (path / "mark").is_file())


def test_a_table_that_was_not_exchanged_gives_way_to_the_images_alone(
    mounts: Mounts, competition: Competition, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a Mac, Windows or a person left beside the images has no row."""
    put(mounts.input / TEST, "b.jpg", "a.PNG", "._b.jpg", "._a.PNG", ".DS_Store", "Thumbs.db", "notes.txt", "c.jpg/x")
    (mounts.input / TABLE).write_text("img_name\nof-the-public-test.png\n")
    rows = submission_rows(mounts.input, competition)
    assert rows.values.tolist() == [["a.PNG", f"{TEST}/a.PNG"], ["b.jpg", f"{TEST}/b.jpg"]]
    assert "the 2 images in the folder are predicted" in capsys.readouterr().err
    assert image_names(mounts.input / TEST) == ["a.PNG", "b.jpg"]
    (mounts.input / TABLE).write_text("img_name\nb.jpg\nabsent.jpg\n")
    assert submission_rows(mounts.input, competition)["id"].tolist() == ["b.jpg", "absent.jpg"]
    for path in (mounts.input / TEST).glob("[ab].*"):
        path.unlink()
    with pytest.raises(UserError, match=r"There is no image in .*testset1_seen"):
        submission_rows(mounts.input, competition)


def test_the_suffix_says_which_images_of_a_folder_are_rows(mounts: Mounts, competition: Competition) -> None:
    put(mounts.input / TEST, "b.jpg", "a.png")
    described = competition.model_copy(update={"test": Split(images=TEST, has_target=False, suffix=".jpg")})
    assert submission_rows(mounts.input, described).values.tolist() == [["b", f"{TEST}/b.jpg"]]
