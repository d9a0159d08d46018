"""The winner as one more `[[member]]` of the recipe file: comments and order kept, provenance beside it.

Only fields that differ from `[defaults]` are written, values to the last digit: what is promoted has the identity of
what was run again, up to its seed.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit.items import AoT, Array, Item, Table

from ffdi.config.augment import DEFAULTS
from ffdi.config.load import load_recipe
from ffdi.config.recipe import Member, Recipe
from ffdi.core import atomic
from ffdi.core.errors import FfdiError, UserError
from ffdi.search.ground import Ground
from ffdi.search.verdict import Row, Verdict, sentence

TUNED = "-tuned"
BOM = "\ufeff"
WIDTH = 118  # characters of a comment's line


def promote(path: Path, ground: Ground, verdict: Verdict) -> str:
    """Write the verdict's winner into the recipe at `path`, if there is one, and say what was done.

    Promoted twice, nothing changes. Raises UserError if the name of the new member is taken, or the recipe's base is
    not the one that was searched any more.
    """
    row = verdict.winner
    if row is None:
        return f"{sentence(verdict)} {path} stays as it is."
    path = path.resolve()  # a link stays a link
    before = path.read_bytes()
    recipe = load_recipe(path)
    wanted = row.candidate.member.model_copy(update={"name": _name(ground)})
    taken = next((member for member in recipe.member if member.name == wanted.name), None)
    if taken == wanted:
        return f"{row.candidate.name} is in {path} already, as member {wanted.name}."
    if taken is not None:
        raise UserError(
            f"{path} has another member {wanted.name!r}; rename or remove that one and run ffdi search --promote again."
        )
    _refuse_other_base(path, recipe, ground)
    text = written(before.decode("utf-8"), wanted, provenance(ground, verdict, row))
    _check(text, recipe, wanted)
    if path.read_bytes() != before:
        raise UserError(f"{path} was edited at this moment; run ffdi search --promote again.")
    atomic.write_bytes(path, text.encode())
    return f"{sentence(verdict)} It is member {wanted.name} of {path} now."


def written(text: str, member: Member, comments: list[str]) -> str:
    """The recipe's text with one more member at the end of its members."""
    mark, text = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    windows = "\r\n" in text
    document = tomlkit.parse(text.replace("\r\n", "\n").rstrip("\n") + "\n")
    members = document["member"]
    if not isinstance(members, AoT):
        raise UserError("The recipe writes its members as one list; write each as [[member]] and promote again.")
    defaults = document.get("defaults", tomlkit.table()).unwrap()
    members.append(_table(_wishes(member, defaults), comments))
    text = tomlkit.dumps(document)
    return mark + (text.replace("\n", "\r\n") if windows else text)


def provenance(ground: Ground, verdict: Verdict, row: Row) -> list[str]:
    """Lines that say where a promoted member comes from; no clock is read, so they are the same whenever it is done."""
    trial, gain = row.candidate.trial, row.gain
    assert trial is not None
    assert gain is not None
    day = f", {trial.ended:%Y-%m-%d}" if trial.ended else ""
    return [
        f"Trial {trial.number} of the search {ground.folder.name}{day}; {ground.search.objective} of held-out images,",
        f"{verdict.design}: {row.fresh:.4f}, {ground.search.member} "
        f"{verdict.default.fresh:.4f}, difference {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}).",
    ]


def _name(ground: Ground) -> str:
    return ground.search.member[: 60 - len(TUNED)] + TUNED


def _refuse_other_base(path: Path, recipe: Recipe, ground: Ground) -> None:
    names = {member.name: member for member in recipe.member}
    searched = next(member for member in ground.recipe.member if member.name == ground.search.member)
    if names.get(searched.name) != searched:
        raise UserError(f"{path}: member {searched.name!r} is not what was searched any more; run ffdi search again.")


def _check(text: str, before: Recipe, wanted: Member) -> None:
    """What was written says what was meant, and the rest what it said."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "recipe.toml"
        copy.write_bytes(text.encode())
        after = load_recipe(copy)
    if after != before.model_copy(update={"member": (*before.member, wanted)}):
        raise FfdiError("The recipe would not read as it was meant, so it was not written; add the member by hand.")


def _wishes(member: Member, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a `[[member]]` must say beside `[defaults]`."""
    base = Member.model_validate({"model": member.model, **defaults, "name": member.name})
    wishes = {"name": member.name}
    if defaults.get("model") != member.model:
        wishes["model"] = member.model
    return wishes | _difference(member, base)


def _difference(wanted: BaseModel, base: BaseModel) -> dict[str, Any]:
    """The fields in which `wanted` differs, deep; `false` for an operation that it lacks."""
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


def _table(wishes: dict[str, Any], comments: list[str]) -> Table:
    table = tomlkit.table()
    for line in comments:
        table.add(tomlkit.comment(line))
    for name, value in wishes.items():
        table.add(name, _section(value) if isinstance(value, dict) else _item(value))
    table.add(tomlkit.nl())
    return table


def _section(values: dict[str, Any]) -> Table:
    """`[member.augment]`, a line for each operation."""
    table = tomlkit.table()
    for name, value in values.items():
        table.add(name, _item(value))
    return table


def _item(value: Any) -> Item:
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        for name, part in value.items():
            inline.append(name, _item(part))
        return inline
    if isinstance(value, list):
        array: Array = tomlkit.array()
        array.extend(_item(part) for part in value)
        return array
    return tomlkit.item(value)
