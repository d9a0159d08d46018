"""The name of a run: a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from typing import Any

from ffdi.config import augment
from ffdi.config.recipe import Data, Member
from ffdi.core import digest

NOT_TRAINING = {"name", "views", "test_size"}  # they change predictions, which have an identity of their own
# Fields that older versions lacked: at their default they must not change a run's name.
LATER = ("stem", "loss", "forge", "pairs", "pair_mixup")


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data, landmarks: str = "") -> str:
    """64 hex digits over the training fields, the fit rows and their folds.

    `landmarks`: identity of the detector, which counts where the member takes landmarks.
    """
    resolved = member.model_dump(mode="json", exclude=_left_out(member))
    wishes = {"member": resolved, "manifest": manifest_digest, "folds": folds_digest, "fit": list(data.fit)}
    if member.pairs and member.micro_batches > 1:
        wishes["twins"] = "apart"  # until then they shared a micro-batch
    if takes_landmarks(member, data):
        wishes["landmarks"] = landmarks
    return digest.of_json(wishes)


def takes_landmarks(member: Member, data: Data) -> bool:
    """Whether the pixels this member trains on depend on where a detector found the faces."""
    parts = member.augment.parts
    return data.landmarks == "detector" and (member.forge.share > 0 or (parts is not None and parts.p > 0))


def _left_out(member: Member) -> dict[str, Any]:
    """As pydantic wants it: the fields by name, those of the policy below it."""
    unused = {name for name in LATER if getattr(member, name) == Member.model_fields[name].default}
    off = {name for name in augment.LATER if getattr(member.augment, name) is None}
    return {**dict.fromkeys(NOT_TRAINING | unused, True), "augment": off}
