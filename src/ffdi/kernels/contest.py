"""The recipe and the competition of a kernel, from its settings and its own data files."""

import tempfile
from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Recipe


def read(text: str) -> tuple[Recipe, Competition]:
    """Of the TOML in SETTINGS. Raises UserError naming the key that is wrong."""
    path = Path(tempfile.mkdtemp(prefix="ffdi-recipe-")) / "recipe.toml"
    path.write_text(text)
    recipe = load_recipe(path)
    return recipe, load_competition(shipped_name(recipe.competition))


def shipped_name(competition: str) -> str:
    """A competition that is a file at home lies among those of the kit here, under the name of its file."""
    return Path(competition).stem if competition.endswith(".toml") else competition
