"""Write the winner of a search into the recipe file as one more `[[member]]`; comments and order stay.

Only fields that differ from `[defaults]` are written, values to the last digit: the promoted member has the identity of
what was run again, up to its seed.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit.items import AoT, Table

from ffdi.config.augment import DEFAULTS
from ffdi.config.load import load_recipe
from ffdi.config.recipe import Member, Recipe
from ffdi.core import atomic
from ffdi.core.errors import FfdiError, UserError
from ffdi.search.context import SearchContext
from ffdi.search.space import searched_member
from ffdi.search.verdict import Row, Verdict

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
    path = path.resolve()  # a link stays a link
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
    text = with_member(path.read_bytes().decode(), wanted, provenance(context, verdict, row))
    _check(text, recipe, wanted)
    atomic.write_text(path, text)
    return f"{verdict.sentence} It is member {name} of {path} now."


def with_member(text: str, member: Member, comments: list[str]) -> str:
    """Return the recipe's text with one more member after its last one; line ends and a byte order mark stay.

    Args:
        text: Of the recipe.
        member: The new one.
        comments: Lines above it.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    windows = "\r\n" in text
    document = tomlkit.parse(text.removeprefix(mark).replace("\r\n", "\n").rstrip("\n") + "\n")
    members = document["member"]
    if not isinstance(members, AoT):
        raise UserError("The recipe writes its members as one list; write each as [[member]] and promote again.")
    defaults = document.get("defaults", tomlkit.table()).unwrap()
    members.append(_table(member, defaults, comments))
    text = tomlkit.dumps(document)
    return mark + (text.replace("\n", "\r\n") if windows else text)


def provenance(context: SearchContext, verdict: Verdict, row: Row) -> list[str]:
    """Return lines that say where a promoted member comes from; they are the same whenever it is done.

    Args:
        context: Of the search.
        verdict: What the re-runs say.
        row: The candidate that is promoted.
    """
    trial, gain = row.candidate.trial, row.gain
    assert trial is not None
    assert gain is not None
    return [
        f"Trial {trial.number} of the search {context.folder.name}; AUC of held-out images, {verdict.design}:",
        f"{row.fresh:.4f}, {context.search.member} {verdict.default.fresh:.4f}, "
        f"difference {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}).",
    ]


def _check(text: str, before: Recipe, wanted: Member) -> None:
    """Raise FfdiError unless the text reads as the recipe with the new member."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "recipe.toml"
        copy.write_bytes(text.encode())
        after = load_recipe(copy)
    if after != before.model_copy(update={"member": (*before.member, wanted)}):
        raise FfdiError("The recipe would not read as it was meant, so it was not written; add the member by hand.")


def _table(member: Member, defaults: Mapping[str, Any], comments: list[str]) -> Table:
    base = Member.model_validate({"model": member.model, **defaults, "name": member.name})
    fields = {"name": member.name, **_difference(member, base)}
    if defaults.get("model") != member.model:
        fields["model"] = member.model
    table = tomlkit.table()
    for line in comments:
        table.add(tomlkit.comment(line))
    for name, value in fields.items():
        table.add(name, _section(value) if isinstance(value, dict) else tomlkit.item(value))
    table.add(tomlkit.nl())
    return table


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


def _section(values: dict[str, Any]) -> Table:
    """Return a table such as `[member.augment]`, with a line for each operation."""
    table = tomlkit.table()
    for name, value in values.items():
        inline = tomlkit.inline_table()
        table.add(name, inline if isinstance(value, dict) else tomlkit.item(value))
        if isinstance(value, dict):
            inline.update(value)
    return table
