"""What a run is named by: every field that training reads, and nothing else."""

import pytest

from ffdi.config.augment import Augment
from ffdi.config.recipe import Data, Member, member_digest

PLAIN = Member(name="a", model="resnet18")


def name_of(member: Member, data: Data | None = None) -> str:
    return member_digest(member, "a" * 64, "b" * 64, data or Data())


@pytest.mark.parametrize("same", [{"name": "b"}, {"tta": ("hflip",)}, {"test_size": 512}], ids=str)
def test_what_only_prediction_reads_keeps_the_name(same: dict[str, object]) -> None:
    assert name_of(PLAIN.model_copy(update=same)) == name_of(PLAIN)


OTHERS = [{"lr": 1e-3}, {"seed": 1}, {"refit_full": True}, {"augment": Augment(grey={"p": 0.1})}]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_what_training_reads_changes_the_name(other: dict[str, object]) -> None:
    assert name_of(PLAIN.model_copy(update=other)) != name_of(PLAIN)
    assert name_of(PLAIN, Data(train_splits=("train", "val"))) != name_of(PLAIN)


def test_rows_and_folds_change_the_name() -> None:
    others = {member_digest(PLAIN, manifest, folds, Data()) for manifest, folds in (("a", "b"), ("c", "b"), ("a", "d"))}
    assert len(others) == 3


def test_a_preset_and_its_operations_are_one_name() -> None:
    spelled = Augment.model_validate(Augment.model_validate("heavy").model_dump())
    heavy = PLAIN.model_copy(update={"augment": Augment.model_validate("heavy")})
    assert name_of(heavy) == name_of(PLAIN.model_copy(update={"augment": spelled}))
