"""The name of a run: a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from ffdi.base import digest
from ffdi.spec.recipe import Data, Member

NOT_TRAINING = {"name", "views", "test_size"}  # they change predictions, which have an identity of their own
LATER = (
    "stem",
    "loss",
    "forge",
)  # fields that older versions lacked: at their default they must not change a run's name


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data) -> str:
    """64 hex digits over the training fields, the fit rows and their folds."""
    unused = {name for name in LATER if getattr(member, name) == Member.model_fields[name].default}
    resolved = member.model_dump(mode="json", exclude=NOT_TRAINING | unused)
    wishes = {"member": resolved, "manifest": manifest_digest, "folds": folds_digest, "fit": list(data.fit)}
    return digest.of_json(wishes)
