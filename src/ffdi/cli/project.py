"""Options that all verbs share, and the project that they name."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from ffdi.training.job import FoldJob

LOOKED_AT = 100  # files, to see whether they are those of the manifest
RECIPE, WORK, SUBMISSIONS = Path("ensembles/sample.toml"), Path("work"), Path("submissions")
COMPETITION: str = Recipe.model_fields["competition"].default
RecipeOption = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="The recipe, a TOML file; default: the sample's, or with --data or --minutes a planned one.",
        metavar="FILE",
    ),
]
MinutesOption = Annotated[
    float | None,
    typer.Option(
        min=1, max=100_000, help="Plan a recipe that takes this long, if none is named; default with --data: 30."
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Competition folder; default: the recipe's.", metavar="FOLDER")
]
WorkOption = Annotated[Path, typer.Option("--work", help="Where artefacts go.", metavar="FOLDER")]
SubmissionsOption = Annotated[Path, typer.Option("--submissions", help="Where submissions go.", metavar="FOLDER")]
UntilOption = Annotated[
    str, typer.Option(help="Save and leave (exit 75) by then: 11h30m from now, or a time such as 2026-11-22T18:00.")
]
ClusterOption = Annotated[
    str, typer.Option(help="Run on a Ray cluster: auto (the one of this machine) or host:port.", metavar="ADDRESS")
]


@dataclass(frozen=True)
class Project:
    """A recipe, its competition, the folder of images, and where artefacts go."""

    recipe_path: Path
    recipe: Recipe
    competition: Competition
    images: Path  # the competition folder
    places: Workspace

    def tables(self) -> "tuple[pd.DataFrame, pd.DataFrame]":
        """Return manifest and fold table as they are on disk. Raise UserError if one is missing or stale.

        Some files are looked at: they may have been replaced, or be those of another folder with the same name.
        """
        from ffdi.data import folds, manifest

        rows = manifest.read(self.places)
        for relpath, size in rows[["relpath", "bytes"]].iloc[:: max(len(rows) // LOOKED_AT, 1)].itertuples(index=False):
            path = os.path.join(self.images, relpath)
            if os.path.isfile(path) and os.path.getsize(path) != size:
                raise UserError(f"{path} is not the file that `ffdi folds` has read; run it again.")
        return rows, folds.read(self.places, self.recipe.folds, rows, self.recipe.data.train_splits)

    def jobs(self) -> "list[FoldJob]":
        """Return a job for every member and fold. Raise UserError as `tables`."""
        from ffdi.training.job import plan

        return plan(self.recipe, self.competition, *self.tables(), self.images, self.places)

    def pack_folder(self, train: bool = False) -> Path:
        """Return where the dataset of the recipe is packed: with a team, or with `train` without one."""
        name = self.recipe.name.replace("_", "-")
        return self.places.kernels / f"{name}-{'recipe' if train else 'team'}"


@dataclass(frozen=True)
class Options:
    """The arguments of a verb: places, changes of the recipe (`key=value`), and the other arguments."""

    recipe: Path | None = None
    data: Path | None = None
    work: Path = WORK
    submissions: Path = SUBMISSIONS
    changes: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    minutes: float | None = None

    @property
    def planned(self) -> Workspace | None:
        """Return where a budget's recipe is; None where a recipe is named, or nothing but the sample is meant."""
        if self.recipe is not None or (self.data is None and self.minutes is None):
            return None
        return self._workspace(COMPETITION, self.data or _sample("The kit"))

    def folder(self) -> Path:
        """Return the competition folder of a plan. Raise UserError if it does not exist."""
        return _existing(self.data or _sample("The kit"))

    def on(self, cluster: str) -> "Options":
        """Return the options with the address of a cluster; "": as the recipe says."""
        return replace(self, changes=(*self.changes, f'cluster.address="{cluster}"')) if cluster else self

    def load(self) -> Recipe:
        """Return the recipe with its changes; that of the sample where none is planned yet. Raise UserError."""
        planned = self.planned.planned if self.planned else RECIPE
        return load_recipe(self.recipe or (planned if planned.exists() else RECIPE), self.changes)

    def open(self) -> Project:
        """Return the project, with everything that is named read and checked. Raise UserError."""
        planned = self.planned.planned if self.planned else RECIPE
        if self.planned and not planned.exists():
            raise UserError(
                f"There is no recipe for {self.folder()} yet; run `ffdi folds` first, with the same options, or name "
                "one with --recipe."
            )
        path = self.recipe or planned
        recipe = load_recipe(path, self.changes)
        competition = load_competition(recipe.competition)
        named = Path(os.path.expanduser(recipe.data.folder)) if recipe.data.folder else None
        images = _existing(self.data or named or _sample(f"{path} names no data.folder, and the kit"))
        places = self._workspace(competition.name, images)
        return Project(path, recipe, competition, images, places)

    def _workspace(self, competition: str, images: Path) -> Workspace:
        return Workspace(self.work / competition / (images.resolve().name or "root"), self.submissions)


def _existing(images: Path) -> Path:
    if not images.is_dir():
        fault = "is no folder" if images.exists() else "does not exist"
        raise UserError(f"The competition folder {images} {fault}; name it with --data FOLDER (DATA=… for make).")
    return images


def verb(app: typer.Typer, arguments: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a verb that takes the shared options, as `Options`, and its own.

    Args:
        app: The command line.
        arguments: What else than key=value may be given, as the help shows it; empty: nothing.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(function).parameters.values()
        hints = get_type_hints(function, include_extras=True)
        metavar = f"{arguments}|KEY=VALUE".removeprefix("|")
        changes = typer.Argument(metavar=metavar, help="KEY=VALUE changes the recipe, for example member.lr=1e-3.")
        shared: dict[str, tuple[Any, Any]] = {
            "given": (Annotated[list[str], changes], []),
            "recipe": (RecipeOption, None),
            "data": (DataOption, None),
            "minutes": (MinutesOption, None),
            "work": (WorkOption, WORK),
            "submissions": (SubmissionsOption, SUBMISSIONS),
        }

        def run(given: list[str], **values: Any) -> None:
            changes = tuple(one for one in given if not arguments or _is_change(one))
            rest = tuple(one for one in given if one not in changes)
            places = {name: values.pop(name) for name in shared if name != "given"}
            function(Options(**places, changes=changes, arguments=rest), **values)

        parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
                      for name, (hint, default) in shared.items()]  # fmt: skip
        mine = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]
        run.__signature__ = inspect.Signature([*mine, *parameters])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in [*mine, *parameters]}
        run.__doc__ = function.__doc__
        app.command(function.__name__)(run)
        return function

    return register


def _is_change(text: str) -> bool:
    return "=" in text and not os.path.exists(text)  # Path's own fails for a text too long for a name


def _sample(what: str) -> Path:
    sample = Path(str(files("ffdi"))) / "sample"
    if not sample.is_dir():
        raise UserError(f"{what} has no embedded sample; use --data FOLDER.")
    return sample
