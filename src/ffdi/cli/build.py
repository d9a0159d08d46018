"""`ffdi kernels build` and `ffdi kernels pack`."""

from collections.abc import Sequence
from pathlib import Path

from ffdi.cli.desk import Desk
from ffdi.config.load import load_competition, load_recipe
from ffdi.core import console
from ffdi.kernels import emit, settings
from ffdi.kernels.contest import shipped_name


def run(path: Path, name: str, kinds: Sequence[str], folder: Path) -> None:
    """Raises UserError for a mistake in the recipe, too many parameters, or a name that Kaggle would change."""
    recipe = load_recipe(path)
    if "train" in kinds:
        from ffdi.cli import params

        params.refuse_over_limit(recipe)
    competition = load_competition(recipe.competition)
    text = path.read_text()
    stem = name or recipe.name.replace("_", "-")
    more = {}
    if recipe.competition.endswith(".toml"):
        more[f"ffdi/competitions/{shipped_name(recipe.competition)}.toml"] = Path(recipe.competition).read_text()
    wishes = {
        "infer": (settings.infer(), emit.Sources([competition.slug], [f"{emit.OWNER}/{stem}-weights"])),
        "train": (settings.train(text), emit.Sources(competition.slugs)),
        "blend": (settings.blend(text), emit.Sources(kernels=[f"{emit.OWNER}/{stem}-train"])),
    }
    rows = []
    for kind in kinds:
        home = emit.write(folder, kind, f"{stem}-{kind}", *wishes[kind], {} if kind == "infer" else more)
        script = home / f"{home.name}.py"
        rows.append([str(script), f"{script.stat().st_size / 1000:.0f}", emit.KINDS[kind]])
    console.table("kernels", ["file", "kB", "what it does"], rows)


def pack(desk: Desk) -> None:
    from ffdi.kernels.pack import pack as write

    folder = folder_of(desk)
    write(desk.recipe, desk.competition, desk.places, folder)
    names = sorted(path.name for path in folder.iterdir())
    size = sum((folder / name).stat().st_size for name in names)
    console.say(f"weights: {folder}, {len(names)} files, {size / 1e6:.1f} MB")


def folder_of(desk: Desk) -> Path:
    """Where the weights dataset of a recipe is packed."""
    return desk.places.work / "kernels" / f"{desk.recipe.name.replace('_', '-')}-weights"
