"""The ladder of presets from which a budget of minutes picks, and the recipe that is written of a choice.

Augmentation and forgeries are those of the three models that had the best mean of clean, unseen-family, other-source
and degraded AUC together (`ensembles/README.md`, "What the parts of a recipe are worth"). A rung up buys more models,
longer training and more folds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ffdi.config.recipe import Recipe
from ffdi.config.reference import toml

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
LARGEST, SMALLEST, STEP = 384, 64, 16  # sides in pixels
TTA = ["identity", "hflip"]
RECIPE: dict[str, Any] = {
    "augment": "light",
    "forge": {"share": 0.3, "families": {"self_blend": 1.0, "swap": 1.0}},
    "tta": TTA,
}
# Fewer steps are too few for it. On the sample the graded AUC of folds of 170 to 250 steps was 0.885 to 0.919 with it
# (four runs), 0.936 and 0.942 with the flip alone. Of eight refits of 450 to 650 steps with it the mean was 0.959, of
# three with the flip alone 0.951. Between 250 and 450 steps nothing was measured.
FEW_STEPS = 300
SHORT: dict[str, Any] = {"augment": {"preset": "none", "hflip": True}, "tta": TTA}
# Models that differ in augmentation and fakes are worth more together than models of one kind ("team of three"): one
# trains with the flip alone, one with RECIPE, one with this.
OTHER: dict[str, Any] = RECIPE | {"forge": {"share": 0.3, "families": {"self_blend": 1.0}}}
REASONS = {
    "augment": "what carries a model to damaged images: ensembles/README.md",
    "forge": "fakes that are made of originals while training, for methods that train does not have",
    "ema_decay": "too few steps for an average of weights",
    "tta": "twice the prediction, which is a small part of the time",
    "lr": "highest, after the warm-up",
}
# Epochs of a refit for one of a fold: of few images a longer training is worth more than a further fold.
LONGER = 1.4


@dataclass(frozen=True)
class Preset:
    """`sizes`: side as a share of the images' own, with the epochs of a fold; from the best to the cheapest.

    `images` is the number that a model sees at which there are no more epochs.
    """

    name: str
    nets: int
    folds: int
    images: int
    sizes: tuple[tuple[float, int], ...]


# Neither pixels nor epochs alone: 10 epochs at 112 px are worth more than 5 at 160 px, in the same time
# (ensembles/README.md), and on the sample a plan in four minutes is graded 0.867 at 80 px, 0.907 at 96 px and 0.935 to
# 0.973 at 112 and 128 px. Each step down costs a tenth to a fifth less. The two refits are the last to go, and become
# as long as the time allows (`budget.refit_epochs`).
LONG = ((1.0, 10), (1.0, 9), (0.9, 10), (0.9, 9), (0.8, 10), (0.8, 9), (0.8, 8), (0.8, 7))
SHORTER = ((0.7, 8), (0.7, 7), (0.7, 6), (0.7, 5), (0.6, 6), (0.6, 5), (0.5, 5), (0.5, 4))
CHEAPEST = ((0.4, 5), (0.4, 4), (0.4, 3), (0.4, 2), (0.4, 1))
LADDER = (
    Preset("best", 2, 5, 2_000_000, ((1.0, 30), (1.0, 25), (1.0, 20), (1.0, 16), (1.0, 12), (0.9, 12), (0.8, 12))),
    Preset("good", 1, 3, 500_000, ((1.0, 20), (1.0, 17), (1.0, 14), (1.0, 12), (1.0, 10), (0.9, 10), (0.8, 10))),
    Preset("quick", 1, 2, 50_000, (*LONG, *SHORTER, *CHEAPEST)),
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
    own = min(side, LARGEST)
    for preset in LADDER:
        for (share, epochs), nets in product(preset.sizes, filter(None, found)):
            here = max(round(share * own / STEP) * STEP, SMALLEST)
            fewer = min(epochs, max(preset.images // max(rows, 1), 1))
            yield Rung(preset, tuple(nets[: preset.nets]), own, here, fewer)


def members(rung: Rung, rows: int) -> list[dict[str, Any]]:
    """Return the members of a rung, as tables of a recipe.

    Args:
        rung: The choice.
        rows: Training images.
    """
    longer = round(LONGER * rung.epochs)
    steps = rung.epochs * rows * (1 - 1 / rung.preset.folds) / batch_size(rows)  # of one fold
    # The flip alone learns fastest. So folds have it where their steps are few or each has half of the rows only.
    flip_first = rung.preset.folds == 2 or steps < FEW_STEPS
    kinds = [SHORT, RECIPE, OTHER] if flip_first else [RECIPE, SHORT, OTHER]  # of the folds and of each refit
    made = [_member(net, rung.side, rung.epochs, rows, kinds[0]) for net in rung.nets]
    few = longer * rows / batch_size(rows) < FEW_STEPS
    for number, kind in enumerate(kinds[1:]):  # besides the folds, models of the first network on all rows
        refit = _member(rung.nets[0], rung.side, longer, rows, SHORT if few else kind)
        name = f"{refit['name']}_all" + (f"_{number + 1}" if number else "")
        made.append(refit | {"name": name, "refit_full": True})
    return [one | {"seed": seed} for seed, one in enumerate(made)]


def _member(net: str, side: int, epochs: int, rows: int, kind: dict[str, Any]) -> dict[str, Any]:
    name = net.split(".")[0].removeprefix("tf_efficientnet_").removeprefix("tf_")
    fields = {"name": name, "model": net, "lr": 1e-3 if net in SMALL else 2e-4, "ema_decay": 0.0}
    return fields | {"image_size": side, "epochs": epochs, "batch_size": batch_size(rows)} | kind


def batch_size(rows: int) -> int:
    """Return a small batch for few images: on the sample a batch of 8 is better than 16 in the same time."""
    return 8 if rows < 1000 else 16 if rows < 3000 else 32


def written(
    recipe: Recipe, rung: Rung, rows: int, folder: str, sources: Mapping[str, str], comments: Sequence[str]
) -> str:
    """Return a planned recipe as TOML, with the reason of each choice beside it.

    Args:
        recipe: As it was planned.
        rung: The choice it was made of.
        rows: Training images.
        folder: The competition folder; empty for the sample.
        sources: Where the weights of each network are.
        comments: Lines for the head of the file.
    """
    tables = members(rung, rows)
    shared = {key: value for key, value in tables[0].items() if all(one.get(key) == value for one in tables)}
    shared = {key: value for key, value in shared.items() if key not in ("name", "model")}
    preset = rung.preset
    reasons = REASONS | {
        "image_size": "the images' own size" if rung.side >= rung.own else f"of {rung.own} px: larger would not fit",
        "epochs": f'"{preset.name}" has {preset.sizes[-1][1]} to {preset.sizes[0][1]}, fewer where the images are many',
        "batch_size": f"{rows / batch_size(rows):.0f} steps an epoch of all rows",
    }
    lines = [f"# {line}" for line in comments]
    lines += [f"name = {toml(recipe.name)}", f"competition = {toml(recipe.competition)}", ""]
    lines += ["[data]", f"folder = {toml(folder)}", ""] if folder else []
    lines += ["[folds]", f'scheme = "{recipe.folds.scheme}"', f"k = {recipe.folds.k}  # of preset {preset.name!r}"]
    lines += [f'embedding = "{recipe.folds.embedding}"  # finds near-duplicates that the hashes miss', ""]
    lines += ["[defaults]", *_keys(shared, reasons)]
    for table in tables:
        own = {key: value for key, value in table.items() if key not in shared}
        notes = {"model": f"weights: {sources[table['model']]}", "refit_full": "one more model, of all rows"}
        lines += ["", "[[member]]", *_keys(own, reasons | notes)]
    return "\n".join(lines) + "\n"


def _keys(table: Mapping[str, Any], reasons: dict[str, str]) -> list[str]:
    if table.get("augment") == SHORT["augment"]:
        reasons = reasons | {
            "augment": "the flip alone: for few steps, and for one member of a team (ensembles/README.md)"
        }
    return [
        f"{key} = {toml(value)}" + (f"  # {reasons[key]}" if key in reasons else "") for key, value in table.items()
    ]
