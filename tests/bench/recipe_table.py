"""The recipes of the bench, as changes of the plain one, and the table of their results."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ffdi.config.forge import FAMILIES
from tests.bench.recipe_set import PARTS

Change = dict[str, Any]
PLAIN: Change = {
    "name": "bench", "model": "tf_efficientnet_lite0", "image_size": 160, "epochs": 20, "batch_size": 32, "lr": 1e-3,
    "ema_decay": 0.0, "tta": ("identity", "hflip"), "augment": {"preset": "none", "hflip": True},
}  # fmt: skip


def forge(*families: str, share: float = 0.3) -> Change:
    return {"forge": {"share": share, "families": dict.fromkeys(families, 1.0)}}


def augmented(*operations: str) -> Change:
    return {"augment": {"preset": "none", "hflip": True} | dict.fromkeys(operations, True)}


BLEND, SWAPS = forge("self_blend"), forge("self_blend", "swap")
LIGHT, MEDIUM, HEAVY = ({"augment": name} for name in ("light", "medium", "heavy"))
# `models`: three are averaged, each without a third of the persons ("folds"), or all by other seeds ("seeds"), or one
# plain, one with self-blends and one with swaps besides ("team").
RECIPES: dict[str, Change] = {
    "plain": {},
    "light": LIGHT,
    "self_blend": BLEND,
    "light + self_blend": LIGHT | BLEND,
    "medium": MEDIUM,
    "heavy": HEAVY,
    "medium + self_blend": MEDIUM | BLEND,
    "heavy + self_blend": HEAVY | BLEND,
    "swap": forge("swap"),
    "self_blend and swap": SWAPS,
    "all nine": forge(*FAMILIES),
    "light + self_blend and swap": LIGHT | SWAPS,
    "srm": {"stem": "srm"},
    "ema": {"ema_decay": 0.99},
    "mixup": {"mixup": 0.2},
    "label_smoothing": {"label_smoothing": 0.05},
    "class_balanced": {"loss": {"class_balanced": True}},
    "supcon": {"loss": {"supcon": 0.1}},
    "consistency": {"loss": {"consistency": 0.5}},
    "norms": {"trainable": "norms"},
    "norms + self_blend": {"trainable": "norms"} | BLEND,
    "head": {"trainable": "head"},
    "longer": {"epochs": 40},
    "larger": {"image_size": 224},
    "light + self_blend, longer": LIGHT | BLEND | {"epochs": 40},
    "light + self_blend, larger": LIGHT | BLEND | {"image_size": 224},
    "light + self_blend, larger, half as long": LIGHT | BLEND | {"image_size": 224, "epochs": 10},
    "light + self_blend, 8 epochs": LIGHT | BLEND | {"epochs": 8},
    "light + self_blend and swap, ema": LIGHT | SWAPS | {"ema_decay": 0.99},
    "light + self_blend and swap, srm": LIGHT | SWAPS | {"stem": "srm"},
    "light + self_blend and swap, mixup": LIGHT | SWAPS | {"mixup": 0.2},
    "light + self_blend and swap, label_smoothing": LIGHT | SWAPS | {"label_smoothing": 0.05},
    "light + self_blend and swap, supcon": LIGHT | SWAPS | {"loss": {"supcon": 0.1}},
    "light + self_blend and swap, class_balanced": LIGHT | SWAPS | {"loss": {"class_balanced": True}},
    "light + self_blend and swap, consistency": LIGHT | SWAPS | {"loss": {"consistency": 0.5}},
    "light + self_blend and swap, norms": LIGHT | SWAPS | {"trainable": "norms"},
    "light + self_blend and swap, longer": LIGHT | SWAPS | {"epochs": 40},
    "light + self_blend and swap, lite1": LIGHT | SWAPS | {"model": "tf_efficientnet_lite1"},
    "light + all nine": LIGHT | forge(*FAMILIES),
    "light + self_blend, 3 folds": LIGHT | BLEND | {"models": "folds"},
    "light + self_blend, 3 seeds": LIGHT | BLEND | {"models": "seeds"},
    "team of three": {"models": "team"},
    "none": {"augment": "none"},
    "crop": augmented("crop"),
    "turns": augmented("vflip", "rotate"),
    "colour": augmented("colour", "grey"),
    "blur and sharpen": augmented("blur", "sharpen"),
    "resize": augmented("resize"),
    "noise": augmented("noise"),
    "jpeg": augmented("jpeg", "webp"),
    "grid": augmented("grid"),
    "holes in fakes": augmented("parts", "cutout"),
    "fakes degraded": augmented("degrade"),
    "lr 3e-4": {"lr": 3e-4},
    "batch 64": {"batch_size": 64},
    "light + self_blend 15 %": LIGHT | forge("self_blend", share=0.15),
    "light + self_blend 50 %": LIGHT | forge("self_blend", share=0.5),
    "npr": {"stem": "npr"},
    "dct": {"stem": "dct"},
}


def table(paths: Iterable[Path]) -> str:
    """Return the mean of each AUC over the seeds ± its standard error, and the paired difference from plain.

    Args:
        paths: Files of JSON lines, as the bench prints them; of a recipe and seed the last line counts.
    """
    found: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
    for line in (line for path in paths for line in path.read_text().splitlines() if line.startswith("{")):
        row = json.loads(line)
        for suffix, name in (("", "auc"), (", hflip tta", "tta")):
            if name in row:
                four = row[name]
                found[row["recipe"] + suffix][row["seed"]] = {**four, "mean": fmean(four[part] for part in PARTS)}
    order = sorted(found, key=lambda name: -fmean(one["mean"] for one in found[name].values()))
    lines = ["| recipe | seeds | " + " | ".join((*PARTS, "mean", "mean against plain")) + " |", "|---" * 8 + "|"]
    for name in order:
        runs, plain = found[name], found.get("plain", {})
        cells = [spread([one[part] for one in runs.values()], ".4f") for part in (*PARTS, "mean")]
        gains = [one["mean"] - plain[seed]["mean"] for seed, one in runs.items() if seed in plain]
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} | {spread(gains, '+.4f')} |")
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    """Return mean ± standard error."""
    if not values:
        return ""
    return f"{fmean(values):{form}}" + (f" ± {stdev(values) / len(values) ** 0.5:.4f}" if len(values) > 1 else "")
