"""The command line: verbs and places. What decides a result stands in the recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ffdi.cli import kernels
from ffdi.cli.desk import RECIPE, SUBMISSIONS, WORK, DataOption, RecipeOption, SubmissionsOption, WorkOption, open_desk
from ffdi.core import console
from ffdi.core.errors import FfdiError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a folder of face images to a scored Kaggle submission.",
)
app.add_typer(kernels.app, name="kernels")


@app.command()
def download(
    recipe: RecipeOption = RECIPE,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where they go; default: data/<slug>.", metavar="FOLDER")
    ] = None,
    competition: Annotated[str, typer.Option(help="Kaggle's slug; default: the recipe's.", metavar="SLUG")] = "",
) -> None:
    """Download the competition's files from Kaggle and unpack them; goes on where it was stopped."""
    from ffdi.cli import download as verb

    verb.run(recipe, data, competition)


@app.command()
def folds(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Read every table and decode every image; group near-duplicates and deal the groups into folds."""
    from ffdi.cli import folds as verb

    verb.run(open_desk(recipe, data, work, submissions))


@app.command()
def forge(
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder of its own; default: forged, below WORK.", metavar="FOLDER")
    ] = None,
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Make fakes of the originals, as the recipe says: a set that can be made again, and trained on."""
    from ffdi.cli import forge as verb

    verb.run(open_desk(recipe, data, work, submissions), out)


@app.command()
def train(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
    until: Annotated[
        str, typer.Option(help="Save and leave (exit 75) by then: 11h30m from now, or a time such as 2026-11-22T18:00.")
    ] = "",
) -> None:
    """Train every member on every fold, and predict; goes on where it was stopped."""
    from ffdi.cli import train as verb

    verb.run(recipe, data, work, submissions, until)


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
def evaluate(
    submission: Annotated[
        Path | None, typer.Argument(help="A submission.csv or its folder: score it against true labels instead.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="The true labels; default: the embedded sample's.")] = None,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="Also predict degraded copies of the held-out images.")
    ] = False,
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Show where the blend is weak: by forgery cluster, source, JPEG quality, size and sharpness."""
    from ffdi.cli import evaluate as verb

    if submission is None:
        verb.run(open_desk(recipe, data, work, submissions), degraded)
    else:
        verb.run_submission(submission, labels, recipe)


@app.command()
def submit(
    submission: Annotated[str, typer.Argument(help="A folder, its number or a CSV; default: the newest.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without this everything else is done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send it although it was sent before.")] = False,
    kernel: Annotated[str, typer.Option(help="Submit the output of a kernel, OWNER/SLUG.")] = "",
    version: Annotated[int, typer.Option(help="The kernel's version.")] = 0,
    file: Annotated[str, typer.Option(help="The kernel's output that is scored.")] = "submission.csv",
    wait: Annotated[str, typer.Option(help="How long to wait for the score, such as 30m (then exit 75).")] = "30m",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the score.")] = False,
    competition: Annotated[str, typer.Option(help="Kaggle's name for it; default: the competition's.")] = "",
    recipe: RecipeOption = RECIPE,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Check a submission, say what it is worth, and with --yes send it to Kaggle and wait for its score."""
    from ffdi.cli import submit as verb

    verb.run(
        submission,
        recipe,
        yes=yes,
        again=again,
        kernel=kernel,
        version=version,
        file=file,
        wait="" if no_wait else wait,
        slug=competition,
        work=work,
        submissions=submissions,
    )


@app.command()
def ledger(
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask Kaggle for scores that are not known yet.")] = False,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Every submission ever: what was expected of it, what it got, and where the two disagree."""
    from ffdi.cli import ledger as verb

    verb.run(work, submissions, refresh)


@app.command()
def search(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a GPU, or one a core.")] = None,
    until: Annotated[
        str, typer.Option(help="Save and leave (exit 75) by then: 11h30m from now, or a time such as 2026-11-22T18:00.")
    ] = "",
    storage: Annotated[
        str,
        typer.Option(envvar="FFDI_STORAGE", help="A database by its URL; default: a journal file, for one machine."),
    ] = "",
    status: Annotated[bool, typer.Option("--status", help="Only say where the search stands.")] = False,
    no_rerun: Annotated[bool, typer.Option("--no-rerun", help="Do not run the best again on fresh seeds.")] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Write what beat the default on fresh seeds into the recipe.")
    ] = False,
) -> None:
    """Search the fields and the augmentation policy that the recipe names; goes on where it was stopped."""
    from ffdi.cli import search as verb

    desk = open_desk(recipe, data, work, submissions)
    if status:
        verb.status(desk, storage)
    elif promote:
        verb.promote(desk, storage)
    else:
        verb.run(desk, workers, until, storage, again=not no_rerun)


@app.command()
def score(
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    pack: Annotated[Path | None, typer.Option(help="Packed weights; default: what `kernels pack` made.")] = None,
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """P(fake) of single images, by the team whose weights were packed."""
    from ffdi.cli import score as verb
    from ffdi.cli.pack import folder_of

    verb.run(images, pack or folder_of(open_desk(recipe, data, work, submissions)))


@app.command()
def explain(
    images: Annotated[list[Path] | None, typer.Argument(help="Image files.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="The N worst errors on held-out images instead.", metavar="N")] = 0,
    pack: Annotated[Path | None, typer.Option(help="Packed weights; default: what `kernels pack` made.")] = None,
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """A page of images: the traces in their pixels, where a net looked, and what a person would check."""
    from ffdi.cli import explain as verb

    verb.run(images or [], worst, open_desk(recipe, data, work, submissions), pack)


@app.command()
def serve(
    pack: Annotated[Path, typer.Option(help="Packed weights, as `kernels pack` makes them.", metavar="FOLDER")],
    root: Annotated[Path, typer.Option(help="Only images below it may be asked for by path.", metavar="FOLDER")],
    host: Annotated[
        str, typer.Option(help="The address to listen on; the default is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """P(fake) of images over HTTP: POST /score {"path": …}, POST /score/image with its bytes, GET /health."""
    from ffdi.cli import serve as verb

    verb.run(pack, root, host, port)


@app.command()
def doctor(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Show this machine, each member's weights and parameters, one timed step of each, and what the recipe costs."""
    from ffdi.cli import doctor as verb

    verb.run(recipe, data, work, submissions)


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
