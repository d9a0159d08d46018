"""Name a run by a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from ffdi.config.recipe import Data, Member
from ffdi.core import digest

NOT_TRAINING = {"name", "tta", "test_size"}  # they change predictions, which have an identity of their own


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data) -> str:
    """Return 64 hex digits that name a run.

    Args:
        member: Of the recipe.
        manifest_digest: Of the training rows.
        folds_digest: Of their folds.
        data: The recipe's [data].
    """
    config = {
        "member": member.model_dump(mode="json", exclude=NOT_TRAINING),
        "manifest": manifest_digest,
        "folds": folds_digest,
        "train_splits": list(data.train_splits),
    }
    return digest.of_json(config)
