"""`ffdi download`: the competition's files."""

from pathlib import Path

from ffdi.base import console
from ffdi.spec.load import load_competition, load_recipe
from ffdi.submit.download import checked_slug, download
from ffdi.submit.kaggle import Kaggle, sign_in

MEGA = 1_000_000


def run(recipe: Path, data: Path | None, competition: str) -> None:
    wishes = load_recipe(recipe)
    slug = checked_slug(competition or load_competition(wishes.competition).slug)
    found = download(slug, data or Path(wishes.data.folder or f"data/{slug}").expanduser(), _sign_in)
    state = "downloaded" if found.fetched else "all there"
    rows = [[slug, state, f"{found.files:,}", f"{found.size / MEGA:,.1f}"]]
    console.table(f"{found.folder}", ["competition", "state", "files", "MB"], rows)


def _sign_in() -> Kaggle:
    kaggle = sign_in()
    console.say(f"signed in as {kaggle.owner} ({kaggle.source})")
    return kaggle
