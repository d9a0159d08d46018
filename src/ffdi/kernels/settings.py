"""The settings of the kernels: the only part of one that people edit, so each says what it is."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffdi.core.errors import UserError


@dataclass(frozen=True)
class Setting:
    """`value` is text, a number, None, or a list of texts; `about`, one or more lines of comment."""

    name: str
    value: object
    about: tuple[str, ...]


COMPETITION = Setting(
    "competition", "", ("Slug under which the competition's files are mounted; empty: the kit's own name for it.",)
)
WHEELHOUSE = Setting(
    "wheelhouse",
    "",
    (
        'Dataset with wheels of what the image lacks, "owner/slug"; empty: the one that is attached, if any; "none":',
        "take no wheels.",
    ),
)
WORKERS = Setting("workers", None, ("Processes that decode images; None: as many as there are cores, at most 8.",))
RUN = Setting("run", "", ("Name of this run, repeated in run.json; a push puts one in.",))
OUTPUTS = ('Outputs of train kernels that are attached, "owner/slug" each; empty: all that are attached.',)


def infer(weights: str = "") -> list[Setting]:
    return [
        Setting("weights", weights, ('The weights dataset, "owner/slug"; empty: the one that is attached.',)),
        COMPETITION,
        Setting(
            "until",
            "8h30m",
            (
                "From the start on. When the speed says that not all will be ready by then, views are given up, then",
                "folds, then members; the submission is written in any case. Empty: as long as it takes.",
            ),
        ),
        WORKERS,
        WHEELHOUSE,
        RUN,
    ]


def train(recipe: str) -> list[Setting]:
    return [
        Setting("recipe", recipe, ("What is trained: the recipe, as in ensembles/.",)),
        COMPETITION,
        Setting(
            "until",
            "11h30m",
            ("From the start on: then all is saved and the kernel ends well. Attach its output to go on from there.",),
        ),
        Setting("members", [], ("Names of the members to train here, for kernels side by side; empty: all of them.",)),
        Setting("resume", [], OUTPUTS),
        WHEELHOUSE,
        RUN,
    ]


def blend(recipe: str) -> list[Setting]:
    return [
        Setting("recipe", recipe, ("What is blended: the recipe that the runs were trained with.",)),
        Setting("outputs", [], OUTPUTS),
        WHEELHOUSE,
        RUN,
    ]


def complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was left out as it is at first. Raises UserError for a name that is none, or a value of another type."""
    known = {one.name: one.value for one in {"infer": infer(), "train": train(""), "blend": blend("")}[kind]}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
            raise UserError(f"SETTINGS: unknown key {name!r}; {hint}")
        wanted = int if known[name] is None else type(known[name])
        if type(value) is not wanted and (value is not None or known[name] is not None):
            word = "text" if wanted is str else "a list" if wanted is list else "a whole number"
            raise UserError(f"SETTINGS: {name} must be {word}, not {value!r}.")
    return {**known, **given}


def changed(settings: Sequence[Setting], **values: object) -> list[Setting]:
    """The same with other values; a push gives a run its name so."""
    return [Setting(one.name, values.get(one.name, one.value), one.about) for one in settings]
