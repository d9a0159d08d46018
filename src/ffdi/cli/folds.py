"""`ffdi folds`: groups of near-duplicates, dealt into folds."""

import os

import numpy as np
import pandas as pd

from ffdi.base import console, seal
from ffdi.cli.desk import Desk
from ffdi.data import cache, folds, manifest
from ffdi.data.audit import shortcuts

CORES = os.cpu_count() or 1


def run(desk: Desk) -> None:
    from ffdi.report import folds as report
    from ffdi.report import page
    from ffdi.report.provenance import provenance

    rows = manifest.read(desk.places)
    spec, fit = desk.recipe.folds, desk.recipe.data.fit
    made = folds.make(desk.places, spec, rows, fit, _embeddings(desk, rows))
    console.table(f"folds, scheme {spec.scheme}", ["fold", "images", "fake", "groups"], _counts(made, rows))
    usable = manifest.select(rows, fit)
    path = desk.places.folds(spec.scheme)
    inputs = {"manifest": seal.digest(desk.places.manifest), "folds": seal.digest(path)}
    shown = report.page(rows, made, shortcuts(usable), desk.images, provenance("ffdi folds", inputs))
    page.write(desk.places.report("folds"), shown)
    console.say(f"page: {desk.places.report('folds')}")
    if desk.recipe.data.cache == "decoded":
        cache.prepare(usable, desk.images, desk.places.cache, CORES)


def _counts(made: pd.DataFrame, rows: pd.DataFrame) -> list[list[object]]:
    joined = made.merge(rows[["id", "split", "target"]], on=["id", "split"])
    return [
        [fold, len(part), f"{part.target.mean():.1%}", part.group.nunique()] for fold, part in joined.groupby("fold")
    ]


def _embeddings(desk: Desk, rows: pd.DataFrame) -> np.ndarray | None:
    """Features of the named backbone for the fit rows, if the recipe asks for them."""
    spec, fit = desk.recipe.folds, desk.recipe.data.fit
    if not spec.embedding or folds.is_current(desk.places, spec, rows, fit):
        return None
    from ffdi.infer.embed import embed

    usable = manifest.select(rows, fit)
    if len(usable) > folds.MOST_COMPARED:
        console.warn(f"More than {folds.MOST_COMPARED:,} images: {len(usable):,} are grouped by hashes alone.")
        if spec.scheme != "cluster":
            return None
    return embed(spec.embedding, usable, desk.images, CORES - 1)
