"""`ffdi kernels …`: pack the dataset of a kernel, rehearse the kernel, push it."""

from pathlib import Path
from typing import Annotated

import typer

from ffdi.cli.project import WORK, Options, WorkOption, verb
from ffdi.core import atomic, console
from ffdi.core.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Run the kit in a Kaggle notebook: pack, rehearse, push.")


@verb(app)
def pack(
    options: Options,
    train: Annotated[
        bool, typer.Option("--train", help="For kernels/train.py, before there is a team: recipe, first weights, kit.")
    ] = False,
    wheels: Annotated[
        Path | None, typer.Option(help="Folder of wheels; those that Kaggle's image lacks are packed too.")
    ] = None,
    single_file: Annotated[
        Path | None,
        typer.Option(help="Also write this script with recipe and kit inside, for people without a dataset."),
    ] = None,
) -> None:
    """Write the dataset of a kernel: the kit's wheel, team.json, weights, checksums."""
    from ffdi.kernels.pack import pack_recipe, pack_team

    project = options.open()
    recipe, folder = project.recipe, project.pack_folder(train)
    if train:
        pack_recipe(recipe, project.competition, folder, wheels)
    else:
        pack_team(recipe, project.competition, project.places, folder, wheels)
    files = [path for path in folder.rglob("*") if path.is_file()]
    console.say(f"{folder}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    if single_file:
        return _write_single_file(single_file, folder)
    name = "kernels/train.py" if train else "kernels/infer.py"
    rehearse = "" if train else f"try it with `ffdi kernels rehearse {name}`, "
    console.say(f"next: {rehearse}upload the folder as a dataset, attach it, and paste {name}")


def _write_single_file(given: Path, folder: Path) -> None:
    """Write a script with everything of a packed folder inside but its weights, beside the folder."""
    from ffdi.kernels import script, team

    kernel, packed = script.read(given), team.read(folder)
    path = folder.with_name(f"{folder.name.rpartition('-')[0]}-{kernel.kind}.py")
    atomic.write_text(path, script.embed(kernel, packed))
    weights = [name for name in packed.files if not name.endswith(".whl")]
    attach = f", and attach a dataset with {', '.join(weights)}" if weights else ""
    console.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; paste it into one cell{attach}")


@verb(app, "SCRIPT")
def rehearse(
    options: Options,
    pack: Annotated[Path | None, typer.Option(help="Its dataset; default: what `pack` made of the recipe.")] = None,
    images: Annotated[int, typer.Option(help="Test images to try it with, at most.", min=4)] = 32,
) -> None:
    """Run SCRIPT (kernels/infer.py, or your edited copy) as Kaggle would, offline, and compare what it predicts."""
    from ffdi.kernels.rehearse import rehearse

    if len(options.arguments) != 1:
        raise UserError("Name one script, for example kernels/infer.py.")
    project, kernel = options.open(), Path(options.arguments[0])
    verdicts = rehearse(kernel, pack or project.pack_folder(), project.images, images)
    columns = ["scenario", "images", "seconds", "as ffdi blend", "given up", "verdict"]
    equal = {True: "every bit", False: "no", None: "-"}
    rows = [
        [one.scenario.name, one.images, f"{one.seconds:.1f}", equal[one.equal], len(one.given_up),
         "FAILED" if one.faults else "passed"] for one in verdicts
    ]  # fmt: skip
    console.table(f"rehearsal of {kernel.name}, on the CPU", columns, rows)
    for verdict in [verdict for verdict in verdicts if verdict.given_up]:
        console.say(f"{verdict.scenario.name}: {'; '.join(verdict.given_up)}")
    failed = [verdict for verdict in verdicts if verdict.faults]
    for verdict in failed:
        console.fail(f"{verdict.scenario.name}: " + "\n".join(verdict.faults))
    if failed:
        raise UserError(f"{len(failed)} of {len(verdicts)} scenarios failed; do not push {kernel}.")


@app.command()
def push(
    kernel: Annotated[Path, typer.Argument(help="The script, such as kernels/infer.py.")],
    pack: Annotated[Path, typer.Option(help="The packed folder; it becomes a Kaggle dataset.")],
    wait: Annotated[str, typer.Option(help="How long to wait for the run, such as 12h (then exit 75).")] = "12h",
    kernel_source: Annotated[
        list[str],
        typer.Option(help="Attach this kernel's output too.", metavar="OWNER/SLUG[/VERSION]"),
    ] = [],  # noqa: B006 (typer makes its own)
    dataset_source: Annotated[list[str], typer.Option(help="Attach this dataset too.", metavar="OWNER/SLUG")] = [],  # noqa: B006
    again: Annotated[bool, typer.Option("--again", help="Run it again although nothing of it changed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Upload and run; without this it is only shown.")] = False,
    work: WorkOption = WORK,
) -> None:
    """Upload the weights, run the kernel on Kaggle, fetch its output; goes on where it was interrupted."""
    from ffdi.cli import push

    push.run(push.PushOptions(kernel, pack, wait, yes, work, kernel_source, dataset_source, again))
