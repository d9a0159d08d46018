"""`[search]` of a recipe: which fields of one member are searched, on what part of the data, and what counts as good.

A field is named as the recipe nests it ("lr", "augment.jpeg.p"); the two ends of a range of the policy are
"augment.jpeg.range.low" and ".high"; "augment.jpeg" itself is a switch, true or false.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from ffdi.config.augment import DEFAULTS, KINDS, Augment
from ffdi.config.competition import Frozen

Spec = TypeVar("Spec", bound=BaseModel)
Number = int | float
Damage = Literal["jpeg_low", "jpeg", "jpeg_high", "resize", "blur", "sharpen", "noise", "rotate", "patch"]
Weight = Annotated[float, Field(ge=0)]
ENDS = ("low", "high")
# Common to all trials, or without effect on training.
FIXED = ("name", "refit_full", "seed", "tta", "test_size", "augment")


class Dimension(Frozen):
    """Numbers from `low` to `high`, both included, on a log scale or in steps; or one of `choices`."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = Field(default=None, gt=0)
    choices: tuple[bool | int | float | str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        numbers = (self.low, self.high)
        if self.choices and (numbers != (None, None) or self.log or self.step):
            raise ValueError("write either choices, or low and high")
        if self.choices:
            return self
        if self.low is None or self.high is None:
            raise ValueError("write low and high, or choices")
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite")
        if self.log and self.low <= 0:
            raise ValueError("a log scale begins above 0")
        if self.log and self.step:
            raise ValueError("a log scale has no steps; write one of log and step")
        if self.step is not None and self.step > (self.high - self.low) * (1 + 1e-9):  # 0.3 - 0.2 is below 0.1
            raise ValueError("step leads from low beyond high")
        return self

    @property
    def bounds(self) -> tuple[Any, ...]:
        """Values that must fit: all choices, or both ends."""
        return self.choices or (self.low, self.high)

    @property
    def second(self) -> tuple[Number, ...]:
        """The value one step above `low`: a field of whole numbers takes no fraction."""
        if self.step is None or self.low is None or self.high is None:
            return ()
        return (min(self.low + self.step, self.high),)


class Policy(Frozen):
    """The policy in a few numbers: one strength of all operations (1: as the member has them, 0: none, 2: twice), and
    for each family the probability of each of its operations."""

    strength: Dimension | None = None
    geometry: Dimension | None = None
    colour: Dimension | None = None
    compression: Dimension | None = None
    noise: Dimension | None = None  # and blur
    occlusion: Dimension | None = None

    @model_validator(mode="after")
    def _in_range(self) -> "Policy":
        for name, dimension in self:
            most = 3 if name == "strength" else 1
            for value in dimension.bounds if dimension else ():
                if isinstance(value, bool | str) or not 0 <= value <= most:
                    raise ValueError(f"{name} lies between 0 and {most}, not at {value!r}")
        return self


class Proxy(Frozen):
    """What makes a trial cheaper than the member; re-runs of the best have none of it."""

    epochs: int | None = Field(default=None, ge=1)
    image_size: int | None = Field(default=None, ge=16, le=2048)
    share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the groups of each fold
    folds: tuple[int, ...] = ()  # held out in turn; empty: all


class Search(Frozen):
    """`trials`, or `minutes` of work of all workers together, whichever ends first."""

    member: str
    space: dict[str, Dimension] = {}
    policy: Policy = Policy()
    proxy: Proxy = Proxy()
    trials: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["none", "median", "wilcoxon", "hyperband"] = "median"
    seed: int = 0
    objective: Literal["auc", "worst_slice", "degraded"] = "auc"
    slices: tuple[
        Literal["width", "bytes", "jpeg_q", "sharpness", "mean_grey", "colourfulness"], ...
    ] = ("jpeg_q", "sharpness")  # columns of the manifest, each cut into thirds  # fmt: skip
    weights: dict[Literal["clean"] | Damage, Weight] = {"clean": 0.5, "jpeg": 0.25, "resize": 0.25}
    top_k: int = Field(default=3, ge=1, le=50)  # run again, without the proxy, beside the default
    rerun_seeds: int = Field(default=3, ge=1, le=50)  # fresh ones, each on every fold

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """TOML reads augment.jpeg.p without quotes as tables in tables."""
        return dict(_leaves(value)) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _is_a_search(self) -> "Search":
        if self.trials is None and self.minutes is None:
            raise ValueError("say how long: trials, or minutes")
        if not self.space and not any(dimension for _, dimension in self.policy):
            raise ValueError("name at least one field to search, in [search.space] or [search.policy]")
        if not sum(self.weights.values()) > 0:
            raise ValueError("one of the weights must be positive")
        if self.objective == "worst_slice" and not self.slices:
            raise ValueError("the objective worst_slice needs one of slices")
        return self

    def check(self, member: BaseModel, k: int) -> None:
        """Raises ValueError for a field that `member` does not have, values it does not take, and folds beyond `k`."""
        known = searchable(member)
        for path, dimension in self.space.items():
            if path not in known:
                raise ValueError(f"search.space: {_unknown(path, known)}")
            for value in (*dimension.bounds, *dimension.second):
                _check_value(member, path, value)
        proxied = {"epochs": self.proxy.epochs, "image_size": self.proxy.image_size}
        both = [name for name, value in proxied.items() if value is not None and name in self.space]
        if both:
            raise ValueError(f"search: {both[0]} stands both in space and in proxy; keep one")
        beyond = [fold for fold in self.proxy.folds if not 0 <= fold < k]
        if len(set(self.proxy.folds)) < len(self.proxy.folds):
            raise ValueError("search.proxy.folds names a fold twice")
        if beyond:
            raise ValueError(f"search.proxy.folds names fold {beyond[0]}, but folds.k = {k}")


def searchable(member: BaseModel) -> tuple[str, ...]:
    """The names under which fields of a member can be searched. Library transforms have none."""
    names = [name for name in type(member).model_fields if name not in FIXED]
    for name in Augment.model_fields:
        if name in KINDS:
            parts = ("p", "on", *(f"range.{end}" for end in ENDS if KINDS[name].unit))
            names += [f"augment.{name}", *(f"augment.{name}.{part}" for part in parts)]
    return tuple(names)


def changed(member: Spec, values: Mapping[str, Any]) -> Spec:
    """The member with other values of searchable fields. An operation that was off is switched on by its fields, as it
    is by default, unless its switch is among the values; ends of a range that have crossed change places.

    Raises pydantic's ValidationError for values, or pairs of values, that the member does not take.
    """
    wishes = member.model_dump()
    for path in sorted(values, key=lambda path: -path.count(".")):  # the switch has the last word
        _put(wishes, path.split("."), values[path])
    for _, name, part, _ in (path.split(".") for path in values if path.count(".") == 3):
        if wishes["augment"][name]:
            wishes["augment"][name][part] = tuple(sorted(wishes["augment"][name][part]))
    return type(member).model_validate(wishes)


def value_of(member: BaseModel, path: str) -> Any:
    """What a member has under a searchable name; for a switch whether it is on."""
    value: Any = member
    for part in path.split("."):
        value = value[ENDS.index(part)] if isinstance(value, tuple) else getattr(value, part)
    return value is not None if path.count(".") == 1 else value


def _put(wishes: dict[str, Any], path: list[str], value: Any) -> None:
    if len(path) == 1:
        wishes[path[0]] = value
        return
    _, name, *rest = path
    policy = wishes["augment"]
    before = policy[name] if policy[name] is not None else DEFAULTS[name].model_dump()
    if not rest:
        policy[name] = before if value is True else value
    elif len(rest) == 1:
        policy[name] = {**before, rest[0]: value}
    else:
        ends = list(before[rest[0]])
        ends[ENDS.index(rest[1])] = value
        policy[name] = {**before, rest[0]: tuple(ends)}


def _check_value(member: BaseModel, path: str, value: Any) -> None:
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
