"""Write the winner of a search at the end of the recipe file as one more `[[member]]`; nothing else changes.

Only fields that differ from `[defaults]` are written, values to the last digit: the promoted member has the identity of
what was run again, up to its seed.
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ffdi.config.augment import DEFAULTS
from ffdi.config.load import load_recipe
from ffdi.config.recipe import Member
from ffdi.config.reference import toml
from ffdi.core import atomic
from ffdi.core.errors import UserError
from ffdi.search.confirm import Row, Verdict
from ffdi.search.context import SearchContext
from ffdi.search.space import searched_member

SUFFIX = "-tuned"
MAX_NAME = 60


def promote(path: Path, context: SearchContext, verdict: Verdict) -> str:
    """Write the winner, if there is one, into the recipe; return a sentence that says what was done.

    Promoted twice, nothing changes.

    Args:
        path: The recipe.
        context: Of the search.
        verdict: What the re-runs say.

    Raises:
        UserError: The name of the new member is taken, or the recipe's member is not what was searched any more.
    """
    row = verdict.winner
    if row is None:
        return f"{verdict.sentence} {path} stays as it is."
    recipe = load_recipe(path)
    members = {member.name: member for member in recipe.member}
    name = context.search.member[: MAX_NAME - len(SUFFIX)] + SUFFIX
    wanted = row.candidate.member.model_copy(update={"name": name})
    if members.get(name) == wanted:
        return f"{row.candidate.name} is in {path} already, as member {name}."
    if name in members:
        raise UserError(f"{path} has another member {name!r}; rename it and run ffdi search --promote again.")
    if members.get(context.search.member) != searched_member(context.recipe):
        raise UserError(
            f"{path}: member {context.search.member!r} is not what was searched any more; run ffdi search again."
        )
    text = path.read_text(encoding="utf-8-sig")
    atomic.write_text(path, _with_member(text, wanted, _provenance(context, verdict, row)))
    return f"{verdict.sentence} It is member {name} of {path} now."


def _with_member(text: str, member: Member, comments: list[str]) -> str:
    """Return the recipe's text with one more member at its end, below the lines of `comments`."""
    value = tomllib.loads(text)
    if "\n[[member]]" not in text:
        raise UserError("The recipe cannot be added to; write its members as [[member]] each, and promote again.")
    base = Member.model_validate({"model": member.model, **value.get("defaults", {}), "name": member.name})
    named = {"name": member.name, "model": member.model, **_difference(member, base)}
    lines = [*(f"# {line}" for line in comments), *(f"{key} = {toml(value)}" for key, value in named.items())]
    return "\n".join([text.rstrip(), "", "[[member]]", *lines, ""])


def _provenance(context: SearchContext, verdict: Verdict, row: Row) -> list[str]:
    """Return lines that say where a promoted member comes from; they are the same whenever it is done."""
    trial, gain = row.candidate.name.capitalize(), row.gain
    assert gain is not None
    return [
        f"{trial} of the search {context.folder.name}; AUC of held-out images, {verdict.design}:",
        f"{row.fresh:.4f}, {context.search.member} {verdict.default.fresh:.4f}, "
        f"difference {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}).",
    ]


def _difference(wanted: BaseModel, base: BaseModel) -> dict[str, Any]:
    """Return the fields in which `wanted` differs, deep; `false` for an operation that it lacks."""
    found: dict[str, Any] = {}
    for name in type(wanted).model_fields:
        value, other = getattr(wanted, name), getattr(base, name)
        if value == other:
            continue
        if value is None:
            found[name] = False
        elif isinstance(value, BaseModel):
            found[name] = _difference(value, DEFAULTS[name] if other is None else other) or True
        else:
            found[name] = wanted.model_dump(mode="json")[name]
    return found
