"""`ffdi download`: the competition's files."""

from functools import cache
from pathlib import Path

from ffdi.config.load import load_competition, load_recipe
from ffdi.core import console
from ffdi.submission.download import checked_slug, download
from ffdi.submission.kaggle import Kaggle, sign_in

MEGA = 1_000_000


def run(recipe: Path, data: Path | None, competition: str) -> None:
    wishes = load_recipe(recipe)
    asked = [competition] if competition else load_competition(wishes.competition).slugs
    slugs = [checked_slug(slug) for slug in asked]
    folder = data or Path(wishes.data.folder or f"data/{slugs[0]}").expanduser()
    once, rows = cache(_sign_in), []
    for slug in slugs:
        found = download(slug, folder, once, beside=slugs)
        state = "downloaded" if found.fetched else "all there"
        rows.append([slug, state, f"{found.files:,}", f"{found.size / MEGA:,.1f}"])
    console.table(f"{folder}", ["competition", "state", "files", "MB"], rows)


def _sign_in() -> Kaggle:
    kaggle = sign_in()
    console.say(f"signed in as {kaggle.owner} ({kaggle.source})")
    return kaggle
