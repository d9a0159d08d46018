"""The name of a run: a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from ffdi.base import digest
from ffdi.spec.recipe import Data, Member

NOT_TRAINING = {"name", "views", "test_size"}  # they change predictions, which have an identity of their own


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data) -> str:
    """64 hex digits over the training fields, the fit rows and their folds."""
    resolved = member.model_dump(mode="json", exclude=NOT_TRAINING)
    wishes = {"member": resolved, "manifest": manifest_digest, "folds": folds_digest, "fit": list(data.fit)}
    return digest.of_json(wishes)
