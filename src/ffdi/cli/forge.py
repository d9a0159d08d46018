"""`ffdi forge`: a set of fakes made of the originals, in a folder of its own."""

import os
from pathlib import Path

import pandas as pd

from ffdi.cli.project import Project
from ffdi.config.semantics import FAMILIES
from ffdi.core import checksum, console
from ffdi.core.stop import Stop
from ffdi.data import extra, forged, manifest
from ffdi.data.audit import shortcuts
from ffdi.report.page import Page, write_safely


def run(project: Project, out: Path | None) -> None:
    folder = out or project.places.work / "forged"
    sources = forged.originals(manifest.read(project.places), project.recipe.data.train_splits)
    with Stop() as stop:
        made = forged.make(
            project.recipe.forge, project.competition, sources, project.images, folder, os.cpu_count() or 1, stop
        )
    _show(made)
    console.say(f"fakes: {folder}; to train on them: extra = [{str(folder)!r}] in [data] of the recipe")
    write_safely(project.places.report("forge"), lambda: _page(project, made, sources, folder))


def _page(project: Project, made: pd.DataFrame, sources: pd.DataFrame, folder: Path) -> Page:
    from ffdi.report import forge as report
    from ffdi.report.provenance import provenance

    found = shortcuts(forged.beside(made, sources))
    inputs = {"manifest": checksum.digest(project.places.manifest), "fakes": checksum.digest(folder / extra.MANIFEST)}
    return report.page(made, sources, found, project.images, folder, provenance("ffdi forge", inputs))


def _show(made: pd.DataFrame) -> None:
    lines = [
        [family, FAMILIES[str(family)], len(part), part["source"].nunique(), f"{part['bytes'].mean():,.0f}"]
        for family, part in made.groupby("family")
    ]
    console.table("fakes", ["family", "what the contest calls it", "images", "originals", "bytes each"], lines)
