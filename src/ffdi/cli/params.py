"""`ffdi params`: parameters of each member and of all, against the contest's limit."""

from pathlib import Path

from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.model.build import count_params


def run(path: Path) -> None:
    recipe = load_recipe(path)
    counts = count(recipe)
    rows = [[member.name, member.model, f"{counts[member.name]:,}"] for member in recipe.member]
    limit = limit_of(recipe)
    rows.append(["all", "", f"{sum(counts.values()):,}"])
    rows.append(["limit", "", f"{limit:,}" if limit else "none"])
    console.table(f"parameters of {recipe.name}", ["member", "model", "parameters"], rows)
    refuse_over_limit(recipe)


def count(recipe: Recipe) -> dict[str, int]:
    return {
        member.name: count_params(member.model, member.num_classes, member.image_size, member.stem)
        for member in recipe.member
    }


def limit_of(recipe: Recipe) -> int | None:
    """The recipe's own limit, or else the competition's."""
    return recipe.max_params or load_competition(recipe.competition).max_params


def refuse_over_limit(recipe: Recipe) -> None:
    """Raises UserError when all members together have more parameters than allowed.

    Folds of one member count once, as the winners' submissions were counted: one trained network a member.
    """
    limit, total = limit_of(recipe), sum(count(recipe).values())
    if limit is not None and total > limit:
        raise UserError(
            f"Recipe {recipe.name} has {total:,} parameters, {total - limit:,} over the limit of {limit:,}; "
            "drop a member or raise max_params."
        )
