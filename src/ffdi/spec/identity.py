"""The name of a run: a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from typing import Any

from ffdi.base import digest
from ffdi.spec import augment
from ffdi.spec.recipe import Data, Member

NOT_TRAINING = {"name", "views", "test_size"}  # they change predictions, which have an identity of their own
# Fields that older versions lacked: at their default they must not change a run's name.
LATER = ("stem", "loss", "forge", "pairs", "pair_mixup")


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data) -> str:
    """64 hex digits over the training fields, the fit rows and their folds."""
    resolved = member.model_dump(mode="json", exclude=_left_out(member))
    wishes = {"member": resolved, "manifest": manifest_digest, "folds": folds_digest, "fit": list(data.fit)}
    return digest.of_json(wishes)


def _left_out(member: Member) -> dict[str, Any]:
    """As pydantic wants it: the fields by name, those of the policy below it."""
    unused = {name for name in LATER if getattr(member, name) == Member.model_fields[name].default}
    off = {name for name in augment.LATER if getattr(member.augment, name) is None}
    return {**dict.fromkeys(NOT_TRAINING | unused, True), "augment": off}
