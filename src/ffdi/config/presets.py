"""The ladder of presets from which a budget of minutes picks: how much is trained, and with which networks.

Augmentation and forgeries are the same on every rung, but for very short trainings. They are those of single first runs
that held best on another source; `python -m tests.bench recipes` compares them by clean, unseen-family, other-source
and degraded AUC. A rung up buys more models, longer training and more folds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

SMALL = ("tf_efficientnet_lite0", "tf_efficientnet_lite1")  # their weights are installed with the kit
# Of the winners of multi-ffdi and near them, best first, trained on ImageNet-1k alone as its rules ask.
LARGE = (
    "convnextv2_tiny.fcmae_ft_in1k",
    "caformer_s18.sail_in1k_384",
    "tf_efficientnetv2_s.in1k",
    "tf_efficientnet_b4.aa_in1k",
    "convnext_tiny.fb_in1k",
    "resnet50.a1_in1k",
)
SIZES = (384, 320, 256, 224, 192, 160, 144, 128, 112, 96, 80, 64)
TTA = ["identity", "hflip"]
RECIPE: dict[str, Any] = {
    "augment": "light",
    "forge": {"share": 0.3, "families": {"self_blend": 1.0}},
    "tta": TTA,
}
# Fewer steps are too few for it. On the sample the graded AUC of folds of 170 to 250 steps was 0.885 to 0.919 with it
# (four runs), 0.936 and 0.942 with the flip alone. Of eight refits of 450 to 650 steps with it the mean was 0.959, of
# three with the flip alone 0.951.
FEW_STEPS = 400
SHORT: dict[str, Any] = {"augment": {"preset": "none", "hflip": True}, "tta": TTA}


@dataclass(frozen=True)
class Preset:
    """`epochs` from least to most; `images` is the number that a model sees at which there are no more epochs."""

    name: str
    nets: int
    folds: int
    epochs: tuple[int, int]
    images: int
    smaller: float  # least side, as a share of the images' own
    refit: bool = False  # besides the folds, the first network is trained on all rows


LADDER = (
    Preset("best", 2, 5, (12, 30), 2_000_000, 0.8, refit=True),
    Preset("good", 1, 3, (8, 20), 500_000, 0.7, refit=True),
    Preset("quick", 1, 3, (5, 10), 50_000, 0.4),
    Preset("quick", 1, 3, (1, 4), 50_000, 0.0),  # fewer epochs cost more than fewer pixels
)


@dataclass(frozen=True)
class Rung:
    """One choice: a preset with its networks, side in pixels and epochs."""

    preset: Preset
    nets: tuple[str, ...]
    own: int  # side of the images in pixels
    side: int
    epochs: int


def rungs(rows: int, side: int, found: Sequence[Sequence[str]]) -> Iterator[Rung]:
    """Yield the choices from the best to the least.

    Args:
        rows: Training images.
        side: The images' own size in pixels.
        found: Networks whose weights are there, best first; a list each for large and small ones.
    """
    for preset in LADDER:
        sizes = [size for size in SIZES if preset.smaller * min(side, SIZES[0]) <= size <= max(side, SIZES[-1])]
        for size, nets in product(sizes, filter(None, found)):
            for epochs in _epochs(preset, rows):
                yield Rung(preset, tuple(nets[: preset.nets]), min(side, SIZES[0]), size, epochs)


def _epochs(preset: Preset, rows: int) -> list[int]:
    """Return some numbers of epochs, most first: fewer where the images are many."""
    least, most = preset.epochs
    top = max(min(most, preset.images // max(rows, 1)), 1)
    wanted = {round(top * share) for share in (1.0, 0.8, 0.6, 0.5, 0.4, 0.25)} | {least}
    return sorted((number for number in wanted if min(least, top) <= number <= top), reverse=True)


def members(rung: Rung, rows: int) -> list[dict[str, Any]]:
    """Return the members of a rung, as tables of a recipe."""
    shared = {"image_size": rung.side, "epochs": rung.epochs, "batch_size": batch_size(rows), "ema_decay": 0.0}
    recipe = SHORT if rung.epochs * steps_of_an_epoch(rung, rows) < FEW_STEPS else RECIPE
    made = []
    for number, net in enumerate(rung.nets):
        small = net in SMALL
        fields = {"model": net, "seed": number, "lr": 1e-3 if small else 2e-4, **shared, **recipe}
        made.append({"name": _name(net), **fields})
    if rung.preset.refit:
        made.append(made[0] | {"name": f"{made[0]['name']}_all", "refit_full": True, "seed": len(made)})
    return made


def steps_of_an_epoch(rung: Rung, rows: int) -> float:
    """Return the steps of one fold in an epoch over `rows` training images."""
    return rows * (1 - 1 / rung.preset.folds) / batch_size(rows)


def batch_size(rows: int) -> int:
    """Return a small batch for few images: on the sample's 270 a batch of 8 is better than 16 in the same time."""
    return 8 if rows < 600 else 16 if rows < 1500 else 32


def _name(net: str) -> str:
    return net.split(".")[0].removeprefix("tf_efficientnet_").removeprefix("tf_")
