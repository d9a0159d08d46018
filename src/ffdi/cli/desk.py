"""What every verb starts from: the recipe, the competition, the folder of images and the places of artefacts."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace

RecipeOption = Annotated[Path, typer.Option("--recipe", help="The TOML that says everything.", metavar="FILE")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Competition folder; default: the recipe's.", metavar="FOLDER")
]
WorkOption = Annotated[Path, typer.Option("--work", help="Where artefacts go.", metavar="FOLDER")]
SubmissionsOption = Annotated[Path, typer.Option("--submissions", help="Where submissions go.", metavar="FOLDER")]
RECIPE = Path("ensembles/sample.toml")
WORK = Path("work")
SUBMISSIONS = Path("submissions")


@dataclass(frozen=True)
class Desk:
    recipe_path: Path
    recipe: Recipe
    competition: Competition
    images: Path  # the competition folder
    places: Workspace
    own_data: bool  # the folder is the recipe's, not one given instead


def open_desk(recipe: Path, data: Path | None, work: Path, submissions: Path) -> Desk:
    """Read and check everything that is named. Raises UserError."""
    spec = load_recipe(recipe)
    competition = load_competition(spec.competition)
    images = data or _folder(recipe, spec)
    if not images.is_dir():
        raise UserError(
            f"The competition folder {images} does not exist; name it with --data FOLDER (DATA=… for make)."
        )
    name = images.resolve().name or "root"
    return Desk(recipe, spec, competition, images, Workspace(work / competition.name / name, submissions), data is None)


def _folder(path: Path, recipe: Recipe) -> Path:
    if recipe.data.folder:
        return Path(recipe.data.folder).expanduser()
    sample = Path(str(files("ffdi"))) / "sample"
    if not sample.is_dir():
        raise UserError(f"{path} names no data.folder and the embedded sample is not installed; use --data FOLDER.")
    return sample
