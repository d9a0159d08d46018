"""`[search]` of a recipe: which fields of one member are searched, and on what part of the data.

The held-out AUC is maximised.

A field is named as the recipe nests it, in quotes where it has a dot (lr, "augment.jpeg.p"). "augment.strength" scales
the ranges of all operations (1: as the member has them, 0: no effect, 2: twice as strong).
"""

import difflib
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from ffdi.config.augment import DEFAULTS, KINDS
from ffdi.config.competition import Frozen

Spec = TypeVar("Spec", bound=BaseModel)
Number = int | float
STRENGTH, MAX_STRENGTH = "augment.strength", 3
# The same for all trials, or without effect on training.
FIXED = ("name", "refit_full", "seed", "tta", "test_size", "augment")


class Dimension(Frozen):
    """Numbers from `low` to `high`, both included, also on a log scale; or one of `choices`."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    choices: tuple[bool | int | float | str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        if self.choices:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("write either choices, or low and high")
        elif self.low is None or self.high is None:
            raise ValueError("write low and high, or choices")
        elif not self.low < self.high:
            raise ValueError("low must be below high")
        elif self.log and self.low <= 0:
            raise ValueError("a log scale begins above 0")
        return self

    @property
    def bounds(self) -> tuple[Any, ...]:
        """Return the values that must fit: all choices, or both ends."""
        return self.choices or (self.low, self.high)


class Proxy(Frozen):
    """Savings of a trial against the member; re-runs of the best have none."""

    epochs: int | None = Field(default=None, ge=1)  # instead of the member's
    image_size: int | None = Field(default=None, ge=16, le=2048)  # instead of the member's
    folds: tuple[int, ...] = ()  # held out in turn; empty: all


class Search(Frozen):
    """Trials on one member; the best are trained again."""

    member: str  # whose fields are searched
    space: dict[str, Dimension] = Field(min_length=1)  # by field: low and high, or choices
    proxy: Proxy = Proxy()  # what makes a trial cheaper
    trials: int = Field(ge=1)  # how many; `--until` ends a search by time
    pruner: Literal["none", "median"] = "median"  # ends bad trials early
    seed: int = 0  # of the draws
    top_k: int = Field(default=3, ge=1, le=50)  # trained again, without the proxy, beside the default
    rerun_seeds: int = Field(default=3, ge=1, le=50)  # fresh ones, each on every fold

    def check(self, member: BaseModel, folds: int) -> None:
        """Raise ValueError for a field that `member` lacks, a value it does not take, or a fold that is not there."""
        known = searchable(member)
        for path, dimension in self.space.items():
            if path not in known:
                near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else "name a field of the member, such as augment.jpeg.p"
                raise ValueError(f"search.space: unknown key {path!r}, {hint}")
            for value in dimension.bounds:
                _check_value(member, path, value)
        both = [name for name in ("epochs", "image_size") if getattr(self.proxy, name) and name in self.space]
        if both:
            raise ValueError(f"search: {both[0]} stands both in space and in proxy; keep one")
        if len(set(self.proxy.folds)) < len(self.proxy.folds):
            raise ValueError("search.proxy.folds names a fold twice")
        beyond = [fold for fold in self.proxy.folds if not 0 <= fold < folds]
        if beyond:
            raise ValueError(f"search.proxy.folds names fold {beyond[0]}, but the last one is {folds - 1}")


def searchable(member: BaseModel) -> tuple[str, ...]:
    """Return the names under which fields of a member can be searched. Ranges are scaled by "augment.strength" only."""
    names = [name for name in type(member).model_fields if name not in FIXED]
    return (*names, *[f"augment.{name}.p" for name in KINDS], STRENGTH)


def changed(member: Spec, values: Mapping[str, Any]) -> Spec:
    """Return the member with other values of searchable fields, except the strength.

    A field of an operation that is off switches it on.

    Raises:
        pydantic.ValidationError: The member does not take the values, or two of them together.
    """
    fields = member.model_dump()
    for path, value in values.items():
        *table, name = path.split(".")
        if table:
            operations, operation = fields["augment"], table[1]
            operations[operation] = {**(operations[operation] or DEFAULTS[operation].model_dump()), name: value}
        else:
            fields[name] = value
    return type(member).model_validate(fields)


def _check_value(member: BaseModel, path: str, value: Any) -> None:
    if path == STRENGTH:
        if isinstance(value, bool | str) or not 0 <= value <= MAX_STRENGTH:
            raise ValueError(f"search.space.{path} lies between 0 and {MAX_STRENGTH}, not at {value!r}")
        return
    try:
        changed(member, {path: value})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"search.space.{path}: {message[0].lower() + message[1:]}, not {value!r}") from error
