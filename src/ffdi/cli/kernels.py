"""`ffdi kernels …`: pack the dataset of a kernel, rehearse the kernel, push it."""

from pathlib import Path
from typing import Annotated

import typer

from ffdi.cli.project import WORK, Options, WorkOption, verb
from ffdi.core.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Run the kit in a Kaggle notebook: pack, rehearse, push.")


@app.callback()
def kernels() -> None:
    """Run the kit in a Kaggle notebook: pack, rehearse, push."""


@verb(app)
def pack(
    options: Options,
    train: Annotated[
        bool, typer.Option("--train", help="For kernels/train.py, before there is a team: recipe, first weights, kit.")
    ] = False,
    wheels: Annotated[
        Path | None, typer.Option(help="Folder of `ffdi kernels wheels`; what the image lacks is packed too.")
    ] = None,
    single_file: Annotated[
        Path | None,
        typer.Option(help="Also write this script with recipe and kit inside, for people without a dataset."),
    ] = None,
) -> None:
    """Write the dataset of a kernel: the kit's wheel, team.json, weights, checksums."""
    from ffdi.cli import pack

    pack.run(options.open(), train, wheels, single_file)


@verb(app, "SCRIPT")
def rehearse(
    options: Options,
    pack: Annotated[Path | None, typer.Option(help="Its dataset; default: what `pack` made of the recipe.")] = None,
    images: Annotated[int, typer.Option(help="Test images to try it with, at most.", min=4)] = 32,
) -> None:
    """Run SCRIPT (kernels/infer.py, or your edited copy) as Kaggle would, offline, and compare what it predicts."""
    from ffdi.cli import rehearse
    from ffdi.cli.pack import folder_of

    if len(options.arguments) != 1:
        raise UserError("Name one script, for example kernels/infer.py.")
    project = options.open()
    rehearse.run(Path(options.arguments[0]), pack or folder_of(project), project.images, images)


@app.command()
def push(
    kernel: Annotated[Path, typer.Argument(help="The script, such as kernels/infer.py.")],
    pack: Annotated[list[Path], typer.Option(help="A packed folder, to be kept as a dataset; may be repeated.")] = [],  # noqa: B006 (typer makes its own)
    image: Annotated[str, typer.Option(help="Pin the notebook image: its digest, sha256:…")] = "",
    wait: Annotated[str, typer.Option(help="How long to wait for the run, such as 12h (then exit 75).")] = "12h",
    kernel_source: Annotated[
        list[str],
        typer.Option(help="Attach this kernel's output too.", metavar="OWNER/SLUG[/VERSION]"),
    ] = [],  # noqa: B006
    dataset_source: Annotated[list[str], typer.Option(help="Attach this dataset too.", metavar="OWNER/SLUG")] = [],  # noqa: B006
    again: Annotated[bool, typer.Option("--again", help="Run it again although nothing of it changed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Upload and run; without this it is only shown.")] = False,
    work: WorkOption = WORK,
) -> None:
    """Upload the weights, run the kernel on Kaggle, fetch its output; goes on where it was interrupted."""
    from ffdi.cli import push

    push.run(push.PushOptions(kernel, pack, image, wait, yes, work, kernel_source, dataset_source, again))


@app.command()
def wheels(
    folder: Annotated[Path, typer.Argument(help="Where the wheels go.")] = Path("wheelhouse"),
    python: Annotated[str, typer.Option(help="Pythons of the notebook image.")] = "cp312,cp313",
    packages: Annotated[str, typer.Option(help="What to fetch, such as timm==1.0.26; default: simplejpeg.")] = "",
) -> None:
    """Fetch wheels of packages that Kaggle's image lacks."""
    from ffdi.cli import wheels

    wheels.run(folder, packages, python)
