"""Count what a recipe trains, predicts and writes; `budget` makes seconds of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ffdi.config.recipe import Member, Recipe

CONTEST = {"train": 524_429, "val": 147_363, "test": 174_387}  # images of multi-ffdi
BYTES_PER_LOGIT = 40  # of a prediction row: id, view, logit, flag, compressed (measured on the sample: 30-45)
BYTES_PER_PARAM = 4


@dataclass(frozen=True)
class Work:
    """Images of one member, over all its folds. `reads`: images that are decoded."""

    trained: int
    predicted: int  # each under every view
    curves: int  # predicted after an epoch, plain view

    @property
    def reads(self) -> int:
        return self.trained + self.predicted + self.curves


def work(recipe: Recipe, member: Member, rows: Mapping[str, int]) -> Work:
    """Count the images that a member trains on and predicts.

    Args:
        recipe: Names splits and folds.
        member: One of its members.
        rows: Images by split.
    """
    fitted = sum(rows.get(name, 0) for name in recipe.data.train_splits)
    others = sum(count for name, count in rows.items() if name not in recipe.data.train_splits)
    if member.refit_full:
        return Work(fitted * member.epochs, others, 0)
    folds = len(recipe.folds.held_out)
    seen = fitted * max(folds - 1, 1) * member.epochs
    return Work(seen, fitted + others * folds, fitted * (member.epochs - 1))


def steps(recipe: Recipe, member: Member, rows: Mapping[str, int]) -> int:
    """Return the steps of one fold's training."""
    folds = 1 if member.refit_full else len(recipe.folds.held_out)
    return work(recipe, member, rows).trained // folds // member.batch_size


def disk(recipe: Recipe, member: Member, amount: Work, params: int) -> int:
    """Return bytes at the peak: weights of every fold, two training states of four copies, all predictions.

    Args:
        recipe: Names the folds.
        member: One of its members.
        amount: From `work`.
        params: Of the model.
    """
    folds = 1 if member.refit_full else len(recipe.folds.held_out)
    return (folds + 2 * 4) * params * BYTES_PER_PARAM + amount.predicted * len(member.tta) * BYTES_PER_LOGIT
