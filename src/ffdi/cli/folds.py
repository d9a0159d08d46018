"""`ffdi folds`: read every row and file, group near-duplicates, and deal the groups into folds."""

import os

import numpy as np
import pandas as pd

from ffdi.cli.project import Project
from ffdi.core import checksum
from ffdi.core.stop import Stop
from ffdi.data import folds
from ffdi.data.audit import audit
from ffdi.data.scan import scan
from ffdi.report.page import page_of, show

CORES = os.cpu_count() or 1


def run(project: Project) -> None:
    """Scan the folder, then make the fold table; both go on where they were stopped."""
    rows = _scanned(project)
    spec, splits = project.recipe.folds, project.recipe.data.train_splits
    made = folds.make(project.places, spec, rows, splits, _embeddings(project, rows))
    inputs = {
        "manifest": checksum.digest(project.places.manifest),
        "folds": checksum.digest(project.places.folds(spec.scheme)),
    }
    show(project.places.report("folds"), page_of("folds", rows, made, project.images, inputs))


def _scanned(project: Project) -> pd.DataFrame:
    with Stop() as stop:
        rows = scan(project.competition, project.images, project.places, CORES, stop, project.recipe.cluster.address)
    path, digest = project.places.report("scan"), checksum.digest(project.places.manifest)
    if not path.exists() or digest not in path.read_text():
        show(path, page_of("scan", rows, audit(rows), project.images, {"manifest": digest}))
    return rows


def _embeddings(project: Project, rows: pd.DataFrame) -> np.ndarray | None:
    if not project.recipe.folds.embedding:
        return None
    from ffdi.infer.embed import for_folds

    return for_folds(project.recipe, rows, project.images, project.places, CORES - 1)
