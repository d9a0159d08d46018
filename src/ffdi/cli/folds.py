"""`ffdi folds`: read every row and file, group near-duplicates, and deal the groups into folds."""

import os

import numpy as np
import pandas as pd

from ffdi.cli.project import Project
from ffdi.core import checksum, console
from ffdi.core.stop import Stop
from ffdi.data import folds, manifest
from ffdi.data.audit import audit
from ffdi.data.scan import scan
from ffdi.report.page import page_of, write_safely

CORES = os.cpu_count() or 1


def run(project: Project) -> None:
    """Scan the folder, then make the fold table; both go on where they were stopped."""
    rows = _scanned(project)
    spec, splits = project.recipe.folds, project.recipe.data.train_splits
    made = folds.make(project.places, spec, rows, splits, _embeddings(project, rows))
    console.table(f"folds, scheme {spec.scheme}", ["fold", "images", "fake", "groups"], _fold_lines(made, rows))
    inputs = {
        "manifest": checksum.digest(project.places.manifest),
        "folds": checksum.digest(project.places.folds(spec.scheme)),
    }
    write_safely(project.places.report("folds"), page_of("folds", rows, made, project.images, inputs))


def _scanned(project: Project) -> pd.DataFrame:
    with Stop() as stop:
        rows = scan(project.competition, project.images, project.places, CORES, stop, project.recipe.cluster.address)
    console.table("manifest", ["split", "images", "fake", *manifest.STATUSES], _split_lines(rows))
    path, digest = project.places.report("scan"), checksum.digest(project.places.manifest)
    if not path.exists() or digest not in path.read_text():
        write_safely(path, page_of("scan", rows, audit(rows), project.images, {"manifest": digest}))
    return rows


def _split_lines(rows: pd.DataFrame) -> list[list[object]]:
    lines: list[list[object]] = []
    for split, part in rows.groupby("split", sort=False):
        counts = part["status"].value_counts()
        fakes = f"{(part['target'] == 1).mean():.1%}" if (part["target"] >= 0).any() else "-"
        lines.append([split, len(part), fakes, *(counts.get(name, 0) for name in manifest.STATUSES)])
    return lines


def _fold_lines(made: pd.DataFrame, rows: pd.DataFrame) -> list[list[object]]:
    joined = made.merge(rows[["id", "split", "target"]], on=["id", "split"])
    return [
        [fold, len(part), f"{part['target'].mean():.1%}", part["group"].nunique()]
        for fold, part in joined.groupby("fold")
    ]


def _embeddings(project: Project, rows: pd.DataFrame) -> np.ndarray | None:
    if not project.recipe.folds.embedding:
        return None
    from ffdi.infer.embed import for_folds

    return for_folds(project.recipe, rows, project.images, project.places, CORES - 1)
