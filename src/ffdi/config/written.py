"""A planned recipe as TOML, with the reason of each choice beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ffdi.config.presets import SHORT, Rung, batch_size, members
from ffdi.config.recipe import Recipe
from ffdi.config.reference import toml

REASONS = {
    "augment": "what carries a model to damaged images: ensembles/README.md",
    "forge": "fakes that are made of originals while training, for methods that train does not have",
    "ema_decay": "too few steps for an average of weights",
    "tta": "twice the prediction, which is a small part of the time",
    "lr": "highest, after the warm-up",
}


def written(
    recipe: Recipe, rung: Rung, rows: int, folder: str, sources: Mapping[str, str], comments: Sequence[str]
) -> str:
    """Return the text of a recipe.

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
