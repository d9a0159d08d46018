"""A fold to train without manifest and fold table."""

from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.recipe import Data, Member
from ffdi.core.layout import Workspace
from ffdi.training.job import FoldJob


def fold(rows: pd.DataFrame, images: Path, work: Path, one: Member, workers: int, held: int = 0) -> FoldJob:
    """Return a fold that trains on all rows but the first `held`, which it holds out and predicts."""
    none, oof = rows.iloc[:0], rows.iloc[:held]
    place = Workspace(work, work).fold("bench", "0", 0)
    return FoldJob(
        member=one, fold=0, spec="0" * 64, manifest="0" * 64, folds="0" * 64, data=Data(workers=workers),
        images=images, folder=place, fit=rows.assign(fold=np.where(np.arange(len(rows)) < held, 0, 1)), val=none,
        test=oof, rows={"oof": "0" * 64, "test": "0" * 64} if held else {},
    )  # fmt: skip
