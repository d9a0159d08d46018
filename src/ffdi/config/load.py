"""Read TOML into typed values. Every mistake is one sentence: file, key, what is wrong, the nearest right name."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
KIND = re.compile(r"bool|constrained-int|literal\[.*\]")  # pydantic's names of the types that a key may have
WORD = re.compile(r"[A-Za-z0-9_./:-]+")  # taken as text where it is no TOML value, since shells eat quotes


def load_recipe(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe in a file, with `[defaults]` merged under every `[[member]]`.

    Args:
        path: A TOML file.
        overrides: "key=value" each, over what the file says. `member.lr=1e-3` changes all members and
            `member.NAME.lr=1e-3` one; values are TOML, and a single word needs no quotes.

    Raises:
        UserError: The file or an override is not a valid recipe.
    """
    value, overrides = _parse(path), list(overrides)
    defaults = value.pop("defaults", {})
    members = value.get("member", [])
    if not isinstance(defaults, dict) or not isinstance(members, list):
        raise UserError(f"{path}: write [defaults] as a table and each member as [[member]].")
    if "name" in defaults:
        raise UserError(f"{path}: defaults.name: a name belongs to one [[member]]; remove it from [defaults].")
    value["member"] = [_merge(defaults, member) if isinstance(member, dict) else member for member in members]
    for override in overrides:
        _override(value, override)
    return validate(Recipe, value, " ".join([str(path), *overrides]))


def load_competition(name: str) -> Competition:
    """Return a competition that ships with the kit, by name, or one in a TOML file, by path. Raises UserError."""
    shipped = {entry.name.removesuffix(".toml"): entry for entry in (files("ffdi") / "competitions").iterdir()}
    if name in shipped:
        return validate(Competition, tomllib.loads(shipped[name].read_text()), name)
    if not name.endswith(".toml"):
        known = ", ".join(sorted(shipped))
        raise UserError(f"Unknown competition {name!r}; the kit ships {known}, or give the path of a .toml file.")
    return validate(Competition, _parse(Path(name)), name)


def validate(kind: type[Model], value: Any, source: str) -> Model:
    """Return `value` as a `kind`.

    Args:
        kind: A model of pydantic.
        value: As TOML gives it.
        source: Named in a message.

    Raises:
        UserError: It is not valid; the message names `source` and what is wrong in it.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        items = error.errors()
        # A list also counts as too short when its items are refused: they are what is wrong.
        items = [item for item in items if item["type"] != "too_short"] or items
        told = "; ".join(dict.fromkeys(_sentence(kind, item) for item in items[:5]))
        raise UserError(f"{source}: {told}{'' if told.endswith('?') else '.'}") from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = Path(os.path.expanduser(path)).read_bytes()  # Path's own fails for a user who is not there
    except OSError as error:
        raise UserError(f"Cannot read {path.absolute()}: {error.strerror}; name an existing TOML file.") from error
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}.") from error


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else is replaced. A preset of the augmentation is a table with one key."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        if name == "augment" and isinstance(old, str):
            old = {"preset": old}
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _override(value: dict[str, Any], override: str) -> None:
    """Change `value` in place."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{override!r} is no change of the recipe; write key=value, for example member.lr=1e-3.")
    whole, tables = key.strip(), [value]
    if whole.startswith("member."):
        whole = whole.removeprefix("member.")
        tables = [member for member in value["member"] if isinstance(member, dict)]
        names = [name for one in tables if whole.startswith((name := str(one.get("name"))) + ".")]
        if names:
            name = max(names, key=len)
            whole = whole.removeprefix(name + ".")
            tables = [one for one in tables if one.get("name") == name]
    changes = _toml(whole, text.strip(), override)
    for table in tables:
        table.update(_merge(table, changes))


def _toml(key: str, text: str, override: str) -> dict[str, Any]:
    """Return the table that "key = text" is in TOML, where a part of a key in quotes may hold dots."""
    for value in (text, f'"{text}"' if WORD.fullmatch(text) else ""):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"{key} = {value}")
    raise UserError(f"{override!r} is no key=value of TOML; quote text, for example key='\"a b\"'.")


def _sentence(kind: type[BaseModel], item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"] if not KIND.fullmatch(str(part)))
    if item["type"] == "extra_forbidden":
        known = _field_names(kind, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"unknown key {where!r}, {hint}"
    message = re.sub("[Dd]ictionary( or instance of .*)?", "table", item["msg"].removeprefix("Value error, "))
    message = re.sub("[Tt]uple", "list", message)  # TOML's words
    given = f", not {item['input']!r}"
    if isinstance(item["input"], dict | list | tuple) or message.endswith(given):
        given = ""
    return ": ".join(part for part in (where, message[0].lower() + message[1:] + given) if part)


def _field_names(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in kind.model_fields:
            kind = model_in(kind.model_fields[part].annotation) or kind
    return sorted({*kind.model_fields, *getattr(kind, "ALSO", ())})


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation holds, in a tuple, a dict or an optional; None if it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)
