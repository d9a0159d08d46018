"""`[search]` of a recipe: which fields of one member are searched, and on what part of the data.

The held-out AUC is maximised.

A field is named as the recipe nests it ("lr", "augment.jpeg.p"). "augment.jpeg" itself is a switch, true or false, and
"augment.strength" scales the ranges of all operations (1: as the member has them, 0: no effect, 2: twice as strong).
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

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
        elif not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite")
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
    share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the groups of each fold
    folds: tuple[int, ...] = ()  # held out in turn; empty: all


class Search(Frozen):
    """The budget is `trials`, or `minutes` of work of all workers together, whichever is used up first."""

    member: str  # whose fields are searched
    space: dict[str, Dimension]  # by field: low and high, or choices
    proxy: Proxy = Proxy()  # what makes a trial cheaper
    trials: int | None = Field(default=None, ge=1)  # how many at most
    minutes: float | None = Field(default=None, gt=0)  # of work at most
    pruner: Literal["none", "median"] = "median"  # ends bad trials early
    seed: int = 0  # of the draws
    top_k: int = Field(default=3, ge=1, le=50)  # trained again, without the proxy, beside the default
    rerun_seeds: int = Field(default=3, ge=1, le=50)  # fresh ones, each on every fold

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """Flatten the tables that TOML makes of augment.jpeg.p without quotes."""
        return dict(_leaves(value)) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _is_a_search(self) -> "Search":
        if self.trials is None and self.minutes is None:
            raise ValueError("say how long: trials, or minutes")
        if not self.space:
            raise ValueError("name at least one field to search, in [search.space]")
        return self

    def check(self, member: BaseModel, k: int) -> None:
        """Raise ValueError for a field that `member` does not have, a value it does not take, or a fold beyond `k`."""
        known = searchable(member)
        for path, dimension in self.space.items():
            if path not in known:
                raise ValueError(f"search.space: {_unknown(path, known)}")
            for value in dimension.bounds:
                _check_value(member, path, value)
        both = [name for name in ("epochs", "image_size") if getattr(self.proxy, name) and name in self.space]
        if both:
            raise ValueError(f"search: {both[0]} stands both in space and in proxy; keep one")
        if len(set(self.proxy.folds)) < len(self.proxy.folds):
            raise ValueError("search.proxy.folds names a fold twice")
        beyond = [fold for fold in self.proxy.folds if not 0 <= fold < k]
        if beyond:
            raise ValueError(f"search.proxy.folds names fold {beyond[0]}, but folds.k = {k}")


def searchable(member: BaseModel) -> tuple[str, ...]:
    """Return the names under which fields of a member can be searched. Ranges are scaled by "augment.strength" only."""
    names = [name for name in type(member).model_fields if name not in FIXED]
    for name in KINDS:
        names += [f"augment.{name}", f"augment.{name}.p"]
    return (*names, STRENGTH)


def changed(member: Spec, values: Mapping[str, Any]) -> Spec:
    """Return the member with other values of searchable fields, except the strength.

    A field of an operation that is off switches it on, unless its switch is among the values.

    Raises:
        pydantic.ValidationError: The member does not take the values, or two of them together.
    """
    fields = member.model_dump()
    for path in sorted(values, key=lambda path: -path.count(".")):  # the switch has the last word
        _put(fields, path.split("."), values[path])
    return type(member).model_validate(fields)


def value_of(member: BaseModel, path: str) -> Any:
    """Return what a member has under a searchable name; for a switch whether it is on."""
    value: Any = member
    for part in path.split("."):
        value = getattr(value, part)
    return value is not None if path.count(".") == 1 else value


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    if len(path) == 1:
        fields[path[0]] = value
        return
    policy, name = fields["augment"], path[1]
    before = policy[name] if policy[name] is not None else DEFAULTS[name].model_dump()
    if len(path) == 3:
        policy[name] = {**before, path[2]: value}
    else:
        policy[name] = before if value is True else value


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


def _unknown(path: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    ending = f"did you mean {near[0]!r}?" if near else "name a field of the member, for example lr or augment.jpeg.p"
    return f"unknown key {path!r}, {ending}"


def _leaves(tables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            yield from ((f"{name}.{rest}", leaf) for rest, leaf in _leaves(value))
        else:
            yield name, value
