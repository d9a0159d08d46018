"""`ffdi scan`: every row and every file accounted for."""

import os

import pandas as pd

from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.core.stop import Stop
from ffdi.data import manifest
from ffdi.data.audit import audit
from ffdi.data.scan import scan
from ffdi.report.page import Page, write_safely


def run(desk: Desk) -> None:
    with Stop() as stop:
        rows = scan(desk.competition, desk.images, desk.places, os.cpu_count() or 1, stop)
    _show(rows)
    path, made = desk.places.report("scan"), checksum.digest(desk.places.manifest)
    if not path.exists() or made not in path.read_text():
        write_safely(path, lambda: _page(desk, rows, made))


def _show(rows: pd.DataFrame) -> None:
    lines = []
    for split, part in rows.groupby("split", sort=False):
        counts = part.status.value_counts()
        fakes = f"{(part.target == 1).mean():.1%}" if (part.target >= 0).any() else "-"
        lines.append([split, len(part), fakes, *(counts.get(name, 0) for name in manifest.STATUSES)])
    console.table("manifest", ["split", "images", "fake", *manifest.STATUSES], lines)


def _page(desk: Desk, rows: pd.DataFrame, made: str) -> Page:
    from ffdi.report import scan as report
    from ffdi.report.provenance import provenance

    found = audit(rows, desk.recipe.folds.distance, desk.recipe.folds.confirm)
    return report.page(rows, found, desk.images, provenance("ffdi scan", {"manifest": made}))
