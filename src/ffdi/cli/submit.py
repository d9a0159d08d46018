"""`ffdi submit`: check, show what would be sent, and with --yes send it once and wait for its score."""

from pathlib import Path

from ffdi.config.load import load_recipe
from ffdi.submission.submit import submit


def run(submission: str, recipe: Path, **options: object) -> None:
    """Take the competition of the recipe for a file whose card does not name one."""
    submit(submission or None, competition=load_recipe(recipe).competition, **options)  # type: ignore[arg-type]
