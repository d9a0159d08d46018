"""The command line: verbs and places. What decides a result stands in the recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ffdi.base import console
from ffdi.base.errors import FfdiError
from ffdi.cli.desk import RECIPE, SUBMISSIONS, WORK, DataOption, RecipeOption, SubmissionsOption, WorkOption, open_desk

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a folder of face images to a scored Kaggle submission.",
)


@app.command()
def scan(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Read every table and decode every image: the manifest and its audit."""
    from ffdi.cli import scan as verb

    verb.run(open_desk(recipe, data, work, submissions))


@app.command()
def folds(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Group near-duplicates and deal the groups into folds."""
    from ffdi.cli import folds as verb

    verb.run(open_desk(recipe, data, work, submissions))


@app.command()
def train(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
    until: Annotated[
        str, typer.Option(help="Save and leave (exit 75) by then: 11h30m from now, or a time such as 2026-11-22T18:00.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="One step of every member, with made-up pixels.")] = False,
) -> None:
    """Train every member on every fold, and predict; goes on where it was stopped."""
    from ffdi.cli import train as verb

    verb.run(recipe, data, work, submissions, until, dry_run)


@app.command()
def predict(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Predict again with trained weights: other views, or a test set that came later."""
    from ffdi.cli import train as verb

    verb.predict(open_desk(recipe, data, work, submissions))


@app.command()
def blend(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Blend the members, say what the blend is worth, write the submission."""
    from ffdi.cli import blend as verb

    verb.run(open_desk(recipe, data, work, submissions))


@app.command()
def grade(
    submission: Annotated[Path, typer.Argument(help="A submission.csv, or the folder that holds it.")],
    labels: Annotated[Path | None, typer.Option(help="The true labels; default: the embedded sample's.")] = None,
    recipe: RecipeOption = RECIPE,
) -> None:
    """Score a submission against a file of true labels."""
    from ffdi.cli import grade as verb

    verb.run(submission, labels, recipe)


@app.command()
def doctor(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """This machine, the weights found, and what the recipe will take here in time and space."""
    from ffdi.cli import doctor as verb

    verb.run(recipe, data, work, submissions)


@app.command()
def params(recipe: RecipeOption = RECIPE) -> None:
    """Parameters of each member and of all, against the limit."""
    from ffdi.cli import params as verb

    verb.run(recipe)


def main() -> None:
    """Run a verb; a mistake of the user ends in one sentence and exit code 2, a pause in 75."""
    try:
        app()
    except FfdiError as error:
        console.fail(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.fail("Interrupted; what was finished is saved, run the same command to go on.")
        sys.exit(130)


if __name__ == "__main__":
    main()
