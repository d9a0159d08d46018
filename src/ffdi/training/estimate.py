"""Count what a recipe trains, predicts and writes; `budget` makes seconds of it here, this module on other machines."""

from collections.abc import Mapping
from dataclasses import dataclass

from ffdi.config.recipe import Member, Recipe
from ffdi.infer.nets import flops

CONTEST = {"train": 524_429, "val": 147_363, "test": 174_387}  # images of multi-ffdi
BYTES_PER_LOGIT = 40  # of a prediction row: id, view, logit, flag, compressed (measured on the sample: 30-45)
BYTES_PER_PARAM = 4
FORWARDS_PER_STEP = 3  # a backward pass has twice the operations of a forward pass
RESNET50 = Member(name="resnet50", model="resnet50", weights="none", num_classes=1, image_size=224)


@dataclass(frozen=True)
class Machine:
    """`resnet50`: training images/s of one GPU for ResNet-50 at 224 px in mixed precision."""

    name: str
    gpus: int
    resnet50: float
    cores: int


# A100: NVIDIA DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5/README.md (2,470 images/s). T4: that
# file gives training for V100 (1,200) and inference for V100 and T4 (3,249 and 1,190); their ratio is applied. H100:
# the A100's figure times the ratio of their memory bandwidths, 3.35 and 2.0 TB/s.
MACHINES = (
    Machine("2 x T4 (Kaggle)", 2, 440, 4),
    Machine("1 x A100", 1, 2_470, 12),
    Machine("1 x H100", 1, 4_100, 16),
)


@dataclass(frozen=True)
class Work:
    """Images of one member, over all its folds. `reads`: images that are decoded."""

    folds: int
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
        return Work(1, fitted * member.epochs, others, 0)
    folds = len(recipe.folds.held_out)
    seen = fitted * max(folds - 1, 1) * member.epochs
    return Work(folds, seen, fitted + others * folds, fitted * (member.epochs - 1))


def seconds_on(machine: Machine, member: Member, amount: Work) -> float:
    """Return computing seconds on another machine, by counted operations; expect a factor of two either way.

    Args:
        machine: One of MACHINES.
        member: Of the recipe.
        amount: From `work`.
    """
    at_train = member.model_copy(update={"test_size": None})
    trained = (amount.trained * FORWARDS_PER_STEP + amount.curves) * flops(at_train)
    predicted = amount.predicted * sum(flops(member, view) for view in member.tta)
    return (trained + predicted) / (FORWARDS_PER_STEP * flops(RESNET50)) / (machine.resnet50 * machine.gpus)


def disk(member: Member, amount: Work, params: int) -> int:
    """Return bytes at the peak: weights of every fold, two training states of four copies, all predictions.

    Args:
        member: Of the recipe.
        amount: From `work`.
        params: Of the model.
    """
    return (amount.folds + 2 * 4) * params * BYTES_PER_PARAM + amount.predicted * len(member.tta) * BYTES_PER_LOGIT
