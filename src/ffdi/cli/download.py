"""`ffdi download`: download the competition's files."""

import os
from functools import cache
from pathlib import Path

from ffdi.cli.project import Options
from ffdi.config.load import load_competition
from ffdi.core import console
from ffdi.submission.client import KaggleClient, sign_in
from ffdi.submission.download import checked_slug, download


def run(options: Options, competition: str) -> None:
    """Download what is missing and show it; `competition` is a slug, "" for the recipe's."""
    recipe = options.load()
    given = [competition] if competition else load_competition(recipe.competition).slugs
    slugs = [checked_slug(slug) for slug in given]
    folder = options.data or Path(os.path.expanduser(recipe.data.folder or f"data/{slugs[0]}"))
    once, rows = cache(_sign_in), []
    for slug in slugs:
        sizes, fetched = download(slug, folder, once)
        state = "downloaded" if fetched else "all there"
        rows.append([slug, state, f"{len(sizes):,}", f"{sum(sizes.values()) / 1e6:,.1f}"])
    console.table(f"{folder}", ["competition", "state", "files", "MB"], rows)


def _sign_in() -> KaggleClient:
    kaggle = sign_in()
    console.say(f"signed in as {kaggle.owner} ({kaggle.source})")
    return kaggle
