"""The command line: verbs and their options. The recipe says what decides a result."""

import atexit
import gc
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from ffdi.cli import kernels
from ffdi.cli.project import SUBMISSIONS, WORK, ClusterOption, Options, SubmissionsOption, UntilOption, verb
from ffdi.core import atomic, console
from ffdi.core.errors import FfdiError, UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a folder of face images to a scored Kaggle submission.",
)
RARELY = 50_000  # new objects between two collections
PackOption = Annotated[Path | None, typer.Option(help="A packed team; default: what `kernels pack` made.")]


@verb(app)
def download(
    options: Options,
    competition: Annotated[str, typer.Option(help="Kaggle's slug; default: the recipe's.", metavar="SLUG")] = "",
) -> None:
    """Download the competition's files from Kaggle and unpack them; goes on where it was stopped."""
    from ffdi.cli import download

    download.run(options, competition)


@verb(app)
def folds(options: Options, cluster: ClusterOption = "") -> None:
    """Read every table, decode every image, put near-duplicates into one group and each group into one fold."""
    from ffdi.cli import folds, plan

    plan.ensure(options)
    folds.run(options.on(cluster).open())


@verb(app)
def forge(
    options: Options,
    out: Annotated[
        Path | None, typer.Option(help="A folder of its own; default: forged, below WORK.", metavar="FOLDER")
    ] = None,
) -> None:
    """Make a set of fakes from real images, as the recipe says; data.extra of a recipe trains on it."""
    from ffdi.cli import forge

    forge.run(options.open(), out)


@verb(app)
def train(options: Options, until: UntilOption = "", cluster: ClusterOption = "") -> None:
    """Train every member on every fold and predict; does what is missing and goes on where it was stopped."""
    from ffdi.cli import plan, train

    plan.ensure(options)
    train.run(options.on(cluster), until)


@verb(app)
def blend(options: Options) -> None:
    """Blend the members, estimate what the blend scores, write the submission."""
    from ffdi.cli import blend

    blend.run(options.open())


@verb(app, "SUBMISSION")
def evaluate(
    options: Options,
    labels: Annotated[Path | None, typer.Option(help="The true labels; default: the embedded sample's.")] = None,
    degraded: Annotated[bool, typer.Option("--degraded", help="Also predict degraded copies.")] = False,
    cluster: ClusterOption = "",
) -> None:
    """Show where the blend is weak; or score a SUBMISSION (a CSV or its folder) against true labels."""
    from ffdi.cli import evaluate

    if submission := _only(options):
        evaluate.run_submission(Path(submission), labels, options.load())
    elif labels:
        raise UserError("--labels belongs to a submission; name that too, for example submissions/001-sample.")
    else:
        evaluate.run(options.on(cluster).open(), degraded)


@verb(app)
def search(
    options: Options,
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at a time; default: one a GPU, or a core.")] = None,
    until: UntilOption = "",
    cluster: ClusterOption = "",
    storage: Annotated[
        str,
        typer.Option(envvar="FFDI_STORAGE", help="A database by its URL; default: a journal file, for one machine."),
    ] = "",
    status: Annotated[bool, typer.Option("--status", help="Only show where the search stands.")] = False,
    no_rerun: Annotated[bool, typer.Option("--no-rerun", help="Do not train the best again on fresh seeds.")] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Write what beat the default on fresh seeds into the recipe.")
    ] = False,
) -> None:
    """Search the fields and the augmentation that the recipe names; goes on where it was stopped."""
    from ffdi.cli import search

    project = options.on(cluster).open()
    if status:
        search.status(project, storage)
    elif promote:
        search.promote(project, storage)
    else:
        search.run(project, workers, until, storage, again=not no_rerun)


@verb(app, "SUBMISSION")
def submit(
    options: Options,
    yes: Annotated[bool, typer.Option("--yes", help="Send it; without this it is only checked and shown.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send it although it was sent before.")] = False,
    kernel: Annotated[str, typer.Option(help="Submit the output of a kernel, OWNER/SLUG.")] = "",
    version: Annotated[int, typer.Option(help="The kernel's version.")] = 0,
    wait: Annotated[str, typer.Option(help="How long to wait for the score, such as 30m (then exit 75).")] = "30m",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the score.")] = False,
    competition: Annotated[str, typer.Option(help="Kaggle's name for it; default: the competition's.")] = "",
) -> None:
    """Check SUBMISSION (a folder, its number or a CSV; default: the newest); with --yes send it, wait for its score."""
    from ffdi.submission.submit import submit

    submit(
        _only(options) or None,
        competition=options.load().competition,
        yes=yes,
        again=again,
        kernel=kernel,
        version=version,
        wait="" if no_wait else wait,
        slug=competition,
        work=options.work,
        submissions=options.submissions,
    )


@app.command()
def ledger(
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask Kaggle for scores that are not known yet.")] = False,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Show every submission that was sent: what was expected of it, what it got, where the two disagree."""
    from ffdi.cli import ledger

    ledger.run(submissions, refresh)


app.add_typer(kernels.app, name="kernels")


@verb(app, "IMAGES")
def score(options: Options, pack: PackOption = None) -> None:
    """Print P(fake) of IMAGES (files, or folders of them) by a packed team."""
    from ffdi.cli import score

    if not options.arguments:
        raise UserError("Name image files, or folders of them.")
    score.run([Path(name) for name in options.arguments], pack or options.open().pack_folder())


@verb(app, "IMAGES")
def explain(
    options: Options,
    worst: Annotated[int, typer.Option(min=0, help="The N worst errors on held-out images instead.", metavar="N")] = 0,
    pack: PackOption = None,
) -> None:
    """Write a page that shows where a network looked, in IMAGES or in the worst errors."""
    from ffdi.cli import explain

    explain.run([Path(name) for name in options.arguments], worst, options.open(), pack)


@app.command()
def serve(
    pack: Annotated[Path, typer.Option(help="A packed team, as `kernels pack` makes it.", metavar="FOLDER")],
    root: Annotated[Path, typer.Option(help="Only images below it may be asked for by path.", metavar="FOLDER")],
    host: Annotated[str, typer.Option(help="The address to listen on; the default is this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """Score images over HTTP: POST /score {"path": …}, GET /health."""
    from ffdi.cli import serve

    serve.run(pack, root, host, port)


@verb(app)
def doctor(options: Options) -> None:
    """Show this machine, each member's weights and parameters, one timed step of each, and what the recipe costs."""
    from ffdi.cli import doctor, plan

    plan.ensure(options)
    doctor.run(options)


def main() -> None:
    """Run a verb. Exit with 2 after a mistake of the user, told in one sentence, and with 75 after a pause."""
    console.never_fail()
    gc.set_threshold(RARELY)  # torch's imports make a million objects that stay
    atexit.register(gc.freeze)  # Python would look through them once more before it ends, for 2 to 7 seconds
    try:
        app()
    except FfdiError as error:
        console.fail(str(error))
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == 130:  # Typer's answer to Ctrl-C, which says nothing
            console.fail("Interrupted; what was finished is saved, run the same command to go on.")
        elif ended.code == 1 and ended.__context__:  # its answer to a broken pipe or an end of file, which says as much
            console.fail(_unexpected(ended.__context__.__cause__ or ended.__context__))
        raise
    except Exception as error:
        console.fail(_unexpected(error))
        sys.exit(1)


def _only(options: Options) -> str:
    """Return the one argument that is no change of the recipe; "" without one."""
    if len(options.arguments) > 1:
        raise UserError(f"Only one submission may be named, not {len(options.arguments)}; remove the others.")
    return next(iter(options.arguments), "")


def _unexpected(error: BaseException) -> str:
    """Write the traceback to a file and return a sentence that names what was being done."""
    done = " ".join(["ffdi", *(word for word in sys.argv[1:3] if not word.startswith("-"))])
    path = WORK / "error.txt"
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        atomic.write_text(path, "".join(traceback.format_exception(error)))
    except UserError as other:
        return f"{done} failed ({reason}). {other}"
    return f"{done} failed ({reason}). The traceback, for a report, is in {path}."


if __name__ == "__main__":
    main()
