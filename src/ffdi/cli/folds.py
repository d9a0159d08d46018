"""`ffdi folds`: read every row and file, put near-duplicates into one group and each group into one fold."""

import os

import numpy as np
import pandas as pd

from ffdi.cli.project import Project
from ffdi.core import checksum, console
from ffdi.core.stop import Stop
from ffdi.data import folds
from ffdi.data.audit import audit
from ffdi.data.scan import scan
from ffdi.report.page import page_of, show

CORES = os.cpu_count() or 1


def run(project: Project) -> None:
    """Scan the folder, then make the fold table; both go on where they were stopped."""
    places, spec, splits = project.places, project.recipe.folds, project.recipe.data.train_splits
    with Stop() as stop:
        rows = scan(project.competition, project.images, places, CORES, stop, project.recipe.cluster.address)
    made = folds.make(places, spec, rows, splits, lambda: _embeddings(project, rows))
    files = {"manifest": places.manifest, "folds": places.folds(spec.scheme)}
    inputs, path = {name: checksum.digest(file) for name, file in files.items()}, places.report("folds")
    if path.exists() and all(digest in path.read_text() for digest in inputs.values()):
        return console.say(f"page: {path} (nothing has changed)")
    show(path, page_of("folds", rows, audit(rows), made, project.images, inputs))


def _embeddings(project: Project, rows: pd.DataFrame) -> np.ndarray | None:
    if not project.recipe.folds.embedding:
        return None
    from ffdi.infer.embed import for_folds

    return for_folds(project.recipe, rows, project.images, CORES - 1)
