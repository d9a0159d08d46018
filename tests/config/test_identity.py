"""Names of runs that people have on their disks: a new version of the kit must find them again."""

from ffdi.config.augment import LATER, Augment
from ffdi.config.forge import Forge
from ffdi.config.identity import member_digest
from ffdi.config.recipe import Data, Member

PLAIN = Member(name="a", model="resnet18")
OFF = dict.fromkeys(("crop", "blur", "resize", "noise", "jpeg"), False)
COLOURFUL = Member(
    name="b", model="tf_efficientnet_lite0", image_size=96, epochs=5, batch_size=8, lr=1e-3, ema_decay=0, seed=1,
    views=("identity", "hflip"), augment=Augment.model_validate(OFF | {"colour": {}}),
)  # fmt: skip


def name_of(member: Member, data: Data | None = None) -> str:
    return member_digest(member, "a" * 64, "b" * 64, data or Data())


def test_members_keep_their_names() -> None:
    assert name_of(PLAIN) == "2f0c7af427004a67752eea61bc2264c40cc32e1cc9ad81de767cf693334ded9e"
    assert name_of(COLOURFUL) == "0c9241b2e8e7aba1b32d7f0f7522465d87f6a4beb021466c5f537fe8337f2b4d"


def test_later_operations_count_once_they_are_on() -> None:
    names = {name_of(PLAIN.model_copy(update={"augment": Augment(**{name: True})})) for name in LATER}
    assert len(names | {name_of(PLAIN)}) == 1 + len(LATER)


def test_pairs_count_once_they_are_on() -> None:
    changed = [{"pairs": True}, {"pair_mixup": 0.5}]
    assert len({name_of(PLAIN), *(name_of(PLAIN.model_copy(update=change)) for change in changed)}) == 3


def test_twins_that_once_shared_a_micro_batch_have_another_name_than_those_apart() -> None:
    apart = PLAIN.model_copy(update={"pairs": True, "micro_batches": 2})
    assert name_of(apart) != "553bb5cb5ffbd4951caa347b5db7a9daad28d2e3df630320e96dd9f83d949b58"


def test_landmarks_count_where_they_are_taken() -> None:
    data = Data(landmarks="detector")

    def found(detector: str, **changes: object) -> str:
        return member_digest(PLAIN.model_copy(update=changes), "a" * 64, "b" * 64, data, detector)

    for unmoved in ({}, {"augment": Augment(parts={"p": 0})}, {"forge": Forge(share=0)}):
        assert found("one", **unmoved) == name_of(PLAIN.model_copy(update=unmoved))
    for moved in ({"augment": Augment(parts=True)}, {"forge": Forge(share=0.3)}):
        names = {found("one", **moved), found("two", **moved), name_of(PLAIN.model_copy(update=moved))}
        assert len(names) == 3
