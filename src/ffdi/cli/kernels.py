"""`ffdi kernels …`: the kit as one-file Kaggle kernels."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ffdi.cli.desk import RECIPE, SUBMISSIONS, WORK, DataOption, RecipeOption, SubmissionsOption, WorkOption

app = typer.Typer(no_args_is_help=True, help="One-file Kaggle kernels: build, rehearse, push.")
FOLDER = Path("kernels")
FolderOption = Annotated[Path, typer.Option("--folder", help="Where kernels go.", metavar="FOLDER")]


class Kind(Enum):
    ALL = "all"
    INFER = "infer"
    TRAIN = "train"
    BLEND = "blend"


@app.callback()
def kernels() -> None:
    """One-file Kaggle kernels: build, rehearse, push."""


@app.command()
def build(
    recipe: RecipeOption = RECIPE,
    name: Annotated[str, typer.Option(help="What the kernels are called before -infer, …; default: the recipe.")] = "",
    kind: Annotated[Kind, typer.Option(help="Which of them.")] = Kind.ALL,
    folder: FolderOption = FOLDER,
) -> None:
    """Write the recipe's kernels: one readable file each, to paste or to push."""
    from ffdi.cli import build as verb

    verb.run(recipe, name, ["infer", "train", "blend"] if kind is Kind.ALL else [kind.value], folder)


@app.command()
def pack(
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Bring the weights of the recipe's blend together as a flat folder, to be a dataset."""
    from ffdi.cli import build as verb
    from ffdi.cli.desk import open_desk

    verb.pack(open_desk(recipe, data, work, submissions))


@app.command()
def rehearse(
    kernel: Annotated[Path, typer.Argument(help="Folder of a built infer kernel, such as kernels/NAME-infer.")],
    pack: Annotated[
        Path | None, typer.Option(help="Folder of its weights; default: what `pack` made of the recipe.")
    ] = None,
    images: Annotated[int, typer.Option(help="Test images to try it with, at most.", min=4)] = 32,
    recipe: RecipeOption = RECIPE,
    data: DataOption = None,
    work: WorkOption = WORK,
    submissions: SubmissionsOption = SUBMISSIONS,
) -> None:
    """Run a built infer kernel as Kaggle would, offline and without the kit, and compare what it predicts."""
    from ffdi.cli import build
    from ffdi.cli import rehearse as verb
    from ffdi.cli.desk import open_desk

    desk = open_desk(recipe, data, work, submissions)
    verb.run(kernel, pack or build.folder_of(desk), desk.images, images)


@app.command()
def push(
    kernel: Annotated[Path, typer.Argument(help="Folder of a built kernel, such as kernels/NAME.")],
    pack: Annotated[
        list[Path], typer.Option(help="Folder of weights or wheels to keep as a dataset; may be repeated.")
    ] = [],  # noqa: B006 (typer makes its own)
    owner: Annotated[str, typer.Option(help="Kaggle account; default: the one signed in.")] = "",
    image: Annotated[str, typer.Option(help="Pin the notebook image: its digest, sha256:…")] = "",
    wait: Annotated[str, typer.Option(help="How long to wait for the run, such as 12h (then exit 75).")] = "12h",
    kernel_source: Annotated[
        list[str],
        typer.Option(help="Attach this kernel's output too, now and on later pushes.", metavar="OWNER/SLUG[/VERSION]"),
    ] = [],  # noqa: B006
    dataset_source: Annotated[
        list[str], typer.Option(help="Attach this dataset too, now and on later pushes.", metavar="OWNER/SLUG")
    ] = [],  # noqa: B006
    again: Annotated[bool, typer.Option("--again", help="Run it again although nothing of it changed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Upload and run; without this it is only shown.")] = False,
    work: WorkOption = WORK,
) -> None:
    """Upload the weights, run the kernel on Kaggle, fetch its output; goes on where it was interrupted."""
    from ffdi.cli import push as verb

    verb.run(verb.Asked(kernel, pack, owner, image, wait, yes, work, kernel_source, dataset_source, again))


@app.command()
def wheels(
    folder: Annotated[Path, typer.Argument(help="Where the wheels go; push it with --pack.")] = Path("wheelhouse"),
    python: Annotated[str, typer.Option(help="Pythons of the notebook image.")] = "cp312,cp313",
    packages: Annotated[str, typer.Option(help="What to fetch; default: what the image may lack.")] = "",
    requirements: Annotated[Path, typer.Option(help="The file that pins the versions.")] = Path("requirements.txt"),
) -> None:
    """Fetch the wheels that an offline kernel installs what the image lacks from."""
    from ffdi.cli import wheels as verb

    verb.run(folder, packages, python, requirements)
