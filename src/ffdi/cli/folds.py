"""`ffdi folds`: groups of near-duplicates, dealt into folds."""

import os

import numpy as np
import pandas as pd

from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.data import folds, manifest
from ffdi.report.page import Page, write_safely

CORES = os.cpu_count() or 1


def run(desk: Desk) -> None:
    rows = manifest.read(desk.places)
    spec, fit = desk.recipe.folds, desk.recipe.data.train_splits
    made = folds.make(desk.places, spec, rows, fit, _embeddings(desk, rows))
    console.table(f"folds, scheme {spec.scheme}", ["fold", "images", "fake", "groups"], _counts(made, rows))
    write_safely(desk.places.report("folds"), lambda: _page(desk, rows, made))


def _page(desk: Desk, rows: pd.DataFrame, made: pd.DataFrame) -> Page:
    from ffdi.report import folds as report
    from ffdi.report.provenance import provenance

    inputs = {
        "manifest": checksum.digest(desk.places.manifest),
        "folds": checksum.digest(desk.places.folds(desk.recipe.folds.scheme)),
    }
    return report.page(rows, made, desk.images, provenance("ffdi folds", inputs))


def _counts(made: pd.DataFrame, rows: pd.DataFrame) -> list[list[object]]:
    joined = made.merge(rows[["id", "split", "target"]], on=["id", "split"])
    return [
        [fold, len(part), f"{part.target.mean():.1%}", part.group.nunique()] for fold, part in joined.groupby("fold")
    ]


def _embeddings(desk: Desk, rows: pd.DataFrame) -> np.ndarray | None:
    if not desk.recipe.folds.embedding:
        return None
    from ffdi.infer.embed import for_folds

    return for_folds(desk.recipe, rows, desk.images, desk.places, CORES - 1)
