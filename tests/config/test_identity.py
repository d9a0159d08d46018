"""What a run is named by: every field that training reads, and nothing else."""

import pytest

from ffdi.config.augment import Augment
from ffdi.config.recipe import Data, Member, member_digest

PLAIN = Member(name="a", model="resnet18")


def name_of(member: Member) -> str:
    return member_digest(member, "a" * 64, "b" * 64, Data())


@pytest.mark.parametrize("same", [{"name": "b"}, {"tta": ("hflip",)}, {"test_size": 512}], ids=str)
def test_what_only_prediction_reads_keeps_the_name(same: dict[str, object]) -> None:
    assert name_of(PLAIN.model_copy(update=same)) == name_of(PLAIN)


@pytest.mark.parametrize(
    "other", [{"lr": 1e-3}, {"seed": 1}, {"refit_full": True}, {"augment": Augment(grey={"p": 0.1})}], ids=str
)
def test_what_training_reads_changes_the_name(other: dict[str, object]) -> None:
    assert name_of(PLAIN.model_copy(update=other)) != name_of(PLAIN)


def test_rows_and_folds_change_the_name() -> None:
    both = Data(train_splits=("train", "val"))
    others = [("a", "b", Data()), ("c", "b", Data()), ("a", "d", Data()), ("a", "b", both)]
    assert len({member_digest(PLAIN, *other) for other in others}) == 4
