"""A small contest as the ground of a search: two folds of a tiny member, real training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.load import load_competition
from ffdi.config.recipe import Recipe
from ffdi.core import keys
from ffdi.core.layout import Workspace
from ffdi.search.ground import Ground, lay

MEMBER = {"name": "tiny", "model": "test_resnet", "weights": "none", "image_size": 32, "batch_size": 8, "epochs": 3}
SPACE = {"lr": {"low": 1e-3, "high": 1e-2, "log": True}, "augment.jpeg.p": {"low": 0, "high": 1}}


def recipe(other: dict[str, Any] | None = None, **search: Any) -> Recipe:
    """`other`: fields of the recipe besides those of the search."""
    wanted = {"member": "tiny", "trials": 2, "space": SPACE, "pruner": "none", **search}
    fields = {"name": "searched", "folds": {"k": 2}, "member": [MEMBER], "search": wanted}
    fields |= other or {}
    return Recipe.model_validate(fields)


def ground(
    contest: tuple[Path, pd.DataFrame], folder: Path, other: dict[str, Any] | None = None, **search: Any
) -> Ground:
    """`contest`: the fixture of that name. Groups are pairs of a real and a fake image."""
    images, rows = contest
    rng = keys.rng("columns")
    phash = np.array([keys.key("phash", name) for name in rows["id"]], np.uint64)
    rows = rows.assign(phash=phash, jpeg_q=rng.integers(50, 95, len(rows)), sharpness=rng.random(len(rows)))
    fit = rows[rows["split"] == "train"]
    group = np.arange(len(fit)) // 2
    folds = fit[["id", "split"]].assign(group=group, fold=group % 2).reset_index(drop=True)
    places = Workspace(folder, folder)
    return lay(recipe(other, **search), load_competition("multi-ffdi-phase2"), rows, folds, images, places)
