"""`ffdi kernels pack`: write the dataset of a kernel."""

from pathlib import Path

from ffdi.cli.project import Project
from ffdi.core import atomic, console
from ffdi.kernels import script, team
from ffdi.kernels.pack import pack_recipe, pack_team


def run(project: Project, train: bool, wheels: Path | None, single_file: Path | None) -> None:
    """Write the dataset and say what to do with it. Raises UserError.

    Args:
        project: Whose recipe is packed.
        train: Pack recipe and first weights, without a trained team.
        wheels: Folder with wheels that are packed too.
        single_file: Script that is also written with everything inside.
    """
    folder = folder_of(project, train)
    if train:
        pack_recipe(project.recipe, project.competition, folder, wheels)
    else:
        pack_team(project.recipe, project.competition, project.places, folder, wheels)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    console.say(f"{folder}: {len(files)} files, {size / 1e6:.1f} MB")
    if single_file:
        kernel = script.read(single_file)
        path = folder.parent / f"{_slug(project)}-{kernel.kind}.py"
        packed = team.read(folder)
        atomic.write_text(path, script.embed(kernel, packed))
        weights = [name for name in packed.files if not name.endswith(".whl")]
        attach = f", and attach a dataset with {', '.join(weights)}" if weights else ""
        console.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB; paste it into one cell{attach}")
        return
    name = "kernels/train.py" if train else "kernels/infer.py"
    rehearse = "" if train else f"try it with `ffdi kernels rehearse {name}`, "
    console.say(f"next: {rehearse}upload the folder as a dataset, attach it, and paste {name}")


def folder_of(project: Project, train: bool = False) -> Path:
    """Return where the dataset of a recipe is packed."""
    return project.places.kernels / f"{_slug(project)}-{'recipe' if train else 'team'}"


def _slug(project: Project) -> str:
    return project.recipe.name.replace("_", "-")
