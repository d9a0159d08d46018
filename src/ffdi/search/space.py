"""The search space: the values that a trial chooses, and the member that they make."""

from collections.abc import Mapping
from typing import Any

import optuna
from pydantic import ValidationError

from ffdi.config.augment import FROM_ZERO, KINDS, Augment, Range
from ffdi.config.recipe import Member, Recipe
from ffdi.config.search import STRENGTH, Dimension, Search, changed
from ffdi.core.errors import UserError


def searched_member(recipe: Recipe) -> Member:
    """Return the member that is searched, as the recipe has it."""
    assert recipe.search is not None
    return next(member for member in recipe.member if member.name == recipe.search.member)


def with_proxy(search: Search, member: Member) -> Member:
    """Return the member with the epochs and image size of the proxy."""
    fields = {"epochs": search.proxy.epochs, "image_size": search.proxy.image_size}
    return changed(member, {name: value for name, value in fields.items() if value is not None})


def suggest(trial: optuna.Trial, search: Search, member: Member) -> dict[str, Any]:
    """Return a value for each dimension of the space, by name; whole numbers where the member takes nothing else.

    Args:
        trial: Of Optuna.
        search: The recipe's [search].
        member: The one that is searched.
    """
    return {path: _suggest(trial, path, search.space[path], member) for path in sorted(search.space)}


def applied(member: Member, values: Mapping[str, Any]) -> Member:
    """Return the member with the values of a trial.

    Args:
        member: With its proxy for a trial, without it for a re-run or a promotion.
        values: From `suggest`. The strength comes last: it scales what the other values switch on, too.

    Raises:
        UserError: The values do not go together.
    """
    try:
        member = changed(member, {path: value for path, value in values.items() if path != STRENGTH})
        return member.model_copy(update={"augment": scaled(member.augment, values.get(STRENGTH, 1))})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"These choices do not go together: {message}.") from error


def scaled(policy: Augment, strength: float) -> Augment:
    """Return the policy with every range moved away from the value without effect, as RandAugment (Cubuk, 2020) does.

    Args:
        policy: Operations that are off stay off; flips and grey have no range.
        strength: At 0 nearly nothing happens to the pixels, at 1 the ranges are those of `policy`, at 2 they reach
            twice as far, as far as their limits allow.
    """
    if strength == 1:
        return policy
    fields = policy.model_dump()
    for name, operation in policy.operations():
        if operation.range is not None:
            fields[name]["range"] = _moved(name, operation.range, strength)
    return Augment.model_validate(fields)


def longest(search: Search, member: Member) -> int:
    """Return the epochs of the longest trial, which keep the steps of two folds apart."""
    dimension = search.space.get("epochs")
    return int(max(dimension.bounds)) if dimension else with_proxy(search, member).epochs


def _suggest(trial: optuna.Trial, path: str, dimension: Dimension, member: Member) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(path, dimension.choices)
    low, high = dimension.bounds
    if "." not in path and isinstance(getattr(changed(member, {path: low}), path), int):
        return trial.suggest_int(path, int(low), int(high), log=dimension.log)
    return trial.suggest_float(path, float(low), float(high), log=dimension.log)


def _moved(name: str, ends: Range, strength: float) -> Range:
    kind = KINDS[name]
    low, high = kind.limits
    moved = (kind.neutral + (end - kind.neutral) * strength for end in ends)
    first, last = sorted(float(min(max(end, low), high)) for end in moved)
    return (0.0 if name in FROM_ZERO else first), last
