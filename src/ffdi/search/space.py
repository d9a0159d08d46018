"""What a trial may choose, as Optuna's distributions, and the member that its choices make."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from ffdi.config.recipe import Member, Recipe
from ffdi.config.search import Dimension, Search, changed, value_of
from ffdi.core.errors import UserError
from ffdi.search import policy

POLICY = "policy."  # begins the names of the compact policy's numbers


def distributions(search: Search, base: Member) -> dict[str, BaseDistribution]:
    """By name, sorted: fields of the member, and "policy.strength" and its siblings. Whole numbers where the field
    takes nothing else."""
    found = {
        path: _distribution(dimension, _is_whole(base, path, dimension)) for path, dimension in search.space.items()
    }
    for name, dimension in search.policy:
        if dimension is not None:
            found[POLICY + name] = _distribution(dimension, False)
    return dict(sorted(found.items()))


def base_of(recipe: Recipe) -> Member:
    """The member that is searched, as the recipe has it."""
    assert recipe.search is not None
    return next(member for member in recipe.member if member.name == recipe.search.member)


def proxied(search: Search, base: Member) -> Member:
    """The member with the cheaper epochs and image size of the proxy."""
    wishes = {"epochs": search.proxy.epochs, "image_size": search.proxy.image_size}
    return changed(base, {name: value for name, value in wishes.items() if value is not None})


def applied(base: Member, params: Mapping[str, Any]) -> Member:
    """`base` with the choices of a trial: the compact policy first, then single fields.

    For a trial give it the proxied member, for a re-run or a promotion the member of the recipe.
    Raises UserError for choices that do not go together.
    """
    try:
        return _applied(base, params)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"These choices do not go together: {message}.") from error


def _applied(base: Member, params: Mapping[str, Any]) -> Member:
    compact = {name.removeprefix(POLICY): value for name, value in params.items() if name.startswith(POLICY)}
    single = {path: value for path, value in params.items() if not path.startswith(POLICY)}
    if compact:
        strength = compact.pop("strength", None)
        base = base.model_copy(update={"augment": policy.at(base.augment, strength, compact)})
    return changed(base, single)


def longest(search: Search, base: Member) -> int:
    """Epochs of the longest trial: how far apart the steps of two folds lie."""
    dimension = search.space.get("epochs")
    return int(max(dimension.bounds)) if dimension else proxied(search, base).epochs


def _is_whole(base: Member, path: str, dimension: Dimension) -> bool:
    if dimension.choices:
        return False
    value = value_of(changed(base, {path: dimension.low}), path)
    return isinstance(value, int) and not isinstance(value, bool)


def _distribution(dimension: Dimension, whole: bool) -> BaseDistribution:
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    if whole:
        step = 1 if dimension.step is None else int(dimension.step)
        high = dimension.high - (dimension.high - dimension.low) % step
        return IntDistribution(int(dimension.low), int(high), log=dimension.log, step=step)
    high = float(dimension.high) if dimension.step is None else _last_step(dimension)
    return FloatDistribution(float(dimension.low), high, log=dimension.log, step=dimension.step)


def _last_step(dimension: Dimension) -> float:
    """The highest value that whole steps reach; in decimals, since three times 0.1 is not 0.3 in binary."""
    low, high, step = (Decimal(str(number)) for number in (dimension.low, dimension.high, dimension.step))
    return float(high - (high - low) % step)
