"""A recipe for a budget of minutes: measure machine, images and weights, pick the best rung that fits, write it down.

The file is an ordinary recipe; `plan.json` beside it keeps the budget.
"""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from PIL import Image

from ffdi.cli.project import COMPETITION, Options
from ffdi.config.load import load_competition, load_recipe, validate
from ffdi.config.presets import LADDER, LARGE, RECIPE, SMALL, Rung, members, rungs, written
from ffdi.config.recipe import Member, Recipe
from ffdi.core import atomic, checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import files

MINUTES = 30.0
SHARE = 0.97  # of the time for training that is planned; the refits get longer or shorter by the time of the folds
REFIT_SHARE = 0.93  # of the time that is left then; 0.95 was a twelfth too long in two trainings, 0.9 too short in one
SAMPLE = 64  # images that are looked at
SMALLEST = 160  # side at which the first step is timed


@dataclass(frozen=True)
class Facts:
    """Facts about a folder before anything is trained: images by split, their side, and some of them."""

    rows: dict[str, int]
    side: int
    some: pd.DataFrame
    images: Path


def ensure(options: Options) -> None:
    """Write the recipe of a budget, unless a recipe is named or it is there with this budget."""
    places = options.planned
    if places is None or (places.planned.exists() and options.minutes in (None, budget(places)["minutes"])):
        return
    begun, minutes = time.monotonic(), options.minutes or MINUTES
    text, planned, spare, speeds = _planned(_facts(options.folder()), minutes, str(options.data or ""), begun)
    atomic.write_text(places.planned, text)
    load_recipe(places.planned)
    least = planned / SHARE
    known = {"minutes": minutes, "training_seconds": max(spare, least), "speeds": speeds}
    checksum.write_json(places.budget, known)
    console.say(text)
    console.say(f"recipe: {places.planned}")
    if least > spare:
        needed = math.ceil((minutes * 60 + least - spare) / 60)
        console.warn(f"Not even the smallest preset fits into {minutes:g} minutes; it takes about {needed}.")


def budget(places: Workspace) -> dict[str, Any]:
    """Return minutes, the seconds that training may take, and the timed speeds. Raise UserError without a plan."""
    if not places.budget.exists():
        raise UserError(f"{places.budget} is missing; delete {places.planned} and run `ffdi folds` again.")
    return checksum.read_json(places.budget)


def without(path: Path, unfinished: set[str]) -> None:
    """Comment members out of a recipe file: they were not finished in time."""
    head, *blocks = path.read_text().split("[[member]]")
    for number, block in enumerate(blocks):
        name = next((line.split('"')[1] for line in block.splitlines() if line.startswith("name =")), "")
        blocks[number] = "[[member]]" + block
        if name in unfinished:
            blocks[number] = "# Not finished in time:\n" + "".join(
                f"# {line}" if line.strip() else line for line in blocks[number].splitlines(keepends=True)
            )
    atomic.write_text(path, head + "".join(blocks))


def set_refit_epochs(path: Path, epochs: int) -> None:
    """Write other epochs for each refit into the file of a planned recipe."""
    line = f"epochs = {epochs}  # as many as fit, by the time that the folds took"
    head, *blocks = path.read_text().split("[[member]]\n")
    for number, block in enumerate(blocks):
        if "\nrefit_full = true" in block:  # not one that is commented out
            kept = [one for one in block.splitlines(keepends=True) if not one.startswith("epochs = ")]
            blocks[number] = f"{line}\n{''.join(kept)}"
    atomic.write_text(path, "[[member]]\n".join([head, *blocks]))


def _facts(images: Path) -> Facts:
    competition = load_competition(COMPETITION)
    rows, _ = files.listing(competition, images)
    there = rows[(rows["split"] == "train") & (rows["defect"] == "")]
    some = there.iloc[:: max(len(there) // SAMPLE, 1)].head(SAMPLE).reset_index(drop=True)
    counts = {split: int((rows["split"] == split).sum()) for split in competition.splits}
    return Facts(counts, _side(images, some), some, images)


def _side(images: Path, some: pd.DataFrame) -> int:
    """Return the usual shorter side in pixels. Raise UserError if no image can be read."""
    sides = []
    for relpath in some["relpath"]:
        try:
            with Image.open(images / relpath) as image:
                sides.append(min(image.size))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    if not sides:
        raise UserError(f"None of the {len(some)} training images that were tried in {images} can be read.")
    return int(median(sides))


def _planned(
    facts: Facts, minutes: float, folder: str, begun: float
) -> tuple[str, float, float, dict[str, list[float]]]:
    """Return the recipe's text, the seconds of training it takes, those it may take, and its speeds.

    A speed is the seconds of a trained and of a predicted image, by network.
    """
    from ffdi.training import budget as budgets

    train = facts.rows["train"]
    sources = _sources()
    nets = [[name for name in names if name in sources] for names in (LARGE, SMALL)]

    def made(rung: Rung) -> Recipe:
        folds = {"scheme": "group", "k": rung.preset.folds, "embedding": SMALL[0]}
        value = {"name": f"minutes_{minutes:g}".replace(".", "_"), "competition": COMPETITION, "folds": folds}
        return validate(Recipe, value | {"member": members(rung, train)}, "the plan")

    def measured(member: Member) -> budgets.Speed:
        """Time it with augmentation and forgeries, which some rungs leave out."""
        return budgets.measure(Member.model_validate(member.model_dump() | RECIPE), facts.some, facts.images)

    base = made(Rung(LADDER[-1], SMALL[:1], facts.side, min(facts.side, SMALLEST), 1)).member[0]
    known = {(base.model, base.image_size): measured(base)}
    around = budgets.other_seconds(known, facts.rows)
    spare = minutes * 60 - around - (time.monotonic() - begun)
    ladder = rungs(train, facts.side, nets)
    chosen, seconds, speeds = budgets.choose(ladder, made, facts.rows, measured, known, SHARE * spare)
    comments = [
        f'Planned for {minutes:g} minutes: "{chosen.preset.name}" is the best preset that fits.',
        f"{train:,} training images of {facts.side} px; {budgets.machine()}.",
        f"Training takes about {seconds / 60:.1f} min, folds and blend about {around / 60:.1f} min.",
        "Other --minutes make a new plan. Copied into ensembles/, this is a recipe like any other.",
    ]
    text = written(made(chosen), chosen, train, folder, sources, comments)
    return text, seconds, spare, {model: [speed.train, speed.predict] for model, speed in speeds.items()}


def _sources() -> dict[str, str]:
    """Return where the weights of each network of the presets are, of those that are there."""
    from ffdi.model.sources import resolve

    found = {}
    for net in (*LARGE, *SMALL):
        with suppress(UserError):
            found[net] = str(resolve(Member(name="net", model=net)))
    return found
