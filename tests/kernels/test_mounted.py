from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.kernels import mounted
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition
from tests.kernels.conftest import Mounts

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
    assert mounted.competition_folder(competition, ALL) == (mounts.input / at, competition)


def test_phases_mounted_apart_are_joined_by_their_paths(mounts: Mounts, competition: Competition) -> None:
    put(mounts.input / "competitions/multi-ffdi", *tables(competition, "train", "val"))
    put(mounts.input / "competitions/multi-ffdi-phase2", *tables(competition, "test"))
    folder, moved = mounted.competition_folder(competition, ALL)
    assert folder == mounts.input
    assert moved.train.labels == "competitions/multi-ffdi/phase1/trainset_label.txt"
    assert moved.test.images == "competitions/multi-ffdi-phase2/phase2/testset1_seen"
    assert mounted.competition_folder(competition, ["test"])[1] == competition


@pytest.mark.parametrize("at", ["datasets/me/weights", "weights"])
def test_a_dataset_is_found_by_name_and_by_its_marker(mounts: Mounts, at: str) -> None:
    put(mounts.input / at, "plan.json")
    for name in ("me/weights", "weights", ""):
        assert mounted.dataset(name, "plan.json", "the weights") == mounts.input / at
    with pytest.raises(UserError, match=r"Not mounted: the weights \(me/other with plan.json\).* holds "):
        mounted.dataset("me/other", "plan.json", "the weights")


def test_two_of_a_kind_must_be_told_apart(mounts: Mounts) -> None:
    put(mounts.input / "datasets", "me/weights/plan.json", "you/weights/plan.json")
    with pytest.raises(UserError, match=r"Mounted more than once: the weights .*name one in SETTINGS"):
        mounted.dataset("", "plan.json", "the weights")
    assert mounted.dataset("you/weights", "plan.json", "").parent.name == "you"


def test_outputs_are_those_that_hold_runs(mounts: Mounts) -> None:
    put(mounts.input, "notebooks/me/first/work/c/sample/runs/x", "second/work/c/sample/runs/x", "third/work/notes.txt")
    put(mounts.input / "datasets", "me/early/work/c/sample/scan/part-00001.parquet")
    first, second = mounts.input / "notebooks/me/first", mounts.input / "second"
    early = mounts.input / "datasets/me/early"
    assert sorted(mounted.outputs([])) == sorted([early, first, second])
    assert mounted.outputs(["me/second", "me/first"]) == [second, first]
    with pytest.raises(UserError, match="Not mounted: runs of me/third"):
        mounted.outputs(["me/third"])


def test_nothing_mounted_is_said_so(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mounted.listing() == f"{mounts.input} holds nothing"
    monkeypatch.setenv("FFDI_INPUT", str(mounts.input / "no"))
    assert mounted.listing().endswith("does not exist")
    assert mounted.outputs([]) == []


def test_folders_of_images_are_not_walked(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounted, "MOST_ENTRIES", 3)
    put(mounts.input / "many", *[f"{number}.jpg" for number in range(50)])
    put(mounts.input / "few" / "deep", "plan.json")
    assert mounted.dataset("", "plan.json", "the weights") == mounts.input / "few/deep"
    assert not mounted.holds(mounts.input / "many", ".whl")
