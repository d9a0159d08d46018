"""`ffdi forge`: make a set of fakes from real images, in a folder of its own."""

import os
from pathlib import Path

from ffdi.cli.project import Project
from ffdi.config.forge import FAMILIES
from ffdi.core import console
from ffdi.core.stop import Stop
from ffdi.data import forged, manifest


def run(project: Project, out: Path | None) -> None:
    """Make the set in the folder `out`, by default below WORK, and show what is in it."""
    folder = out or project.places.forged
    sources = forged.originals(manifest.read(project.places), project.recipe.data.train_splits)
    with Stop() as stop:
        made = forged.make(
            project.recipe.forge, project.competition.name, sources, project.images, folder, os.cpu_count() or 1, stop
        )
    lines = [
        [family, word, len(part), part["source"].nunique(), f"{part['bytes'].mean():,.0f}"]
        for family, word in FAMILIES.items()
        if len(part := made[made["family"] == family])
    ]
    console.table("fakes", ["family", "what the contest calls it", "images", "originals", "bytes each"], lines)
    console.say(f"fakes: {folder}; to train on them: extra = [{str(folder)!r}] in [data] of the recipe")
