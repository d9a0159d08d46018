"""Every key of a recipe with type, default and one line, made from the types: `ensembles/README.md`.

python -m ffdi.config.reference
"""

import json
import re
from collections.abc import Iterator
from inspect import getsource
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ffdi.config.augment import FOR_FAKES, KINDS, PRESETS
from ffdi.config.forge import Forge, ForgedSet
from ffdi.config.recipe import Blend, Cluster, Data, Folds, Loss, Member, Recipe
from ffdi.config.search import Proxy, Search
from ffdi.core import atomic

TABLES: dict[str, type[BaseModel]] = {
    "At the top": Recipe,
    "[data]": Data,
    "[folds]": Folds,
    "[[member]], or [defaults] for all": Member,
    "loss of a member": Loss,
    "forge of a member": Forge,
    "[blend]": Blend,
    "[forge]": ForgedSet,
    "[search]": Search,
    "proxy of [search]": Proxy,
    "[cluster]": Cluster,
}
MEASURED = "\n# What the parts of a recipe are worth\n"  # the chapter that is written by hand
HEAD = """# Recipes

A recipe is one TOML file: members, and how they are blended. `[defaults]` lies under every `[[member]]`. On the command
line `member.lr=1e-3` changes a copy of it, `member.NAME.lr=1e-3` one member of that.
The tables of keys are made from the types by `python -m ffdi.config.reference`. The last chapter says what the parts of
a recipe are worth.
"""
AUGMENT = """
## augment of a member

A `preset`, or a table such as `{preset = "light", jpeg = {p = 0.5, range = [60, 95]}, hflip = false}`. `p` is the share
of the images, `range` the strength from low to high.

"""


def reference() -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    for title, model in TABLES.items():
        about = " ".join(str(model.__doc__).split())
        parts.append(f"\n## {title}\n\n{about}\n\n| key | type | default | |\n|---|---|---|---|\n")
        parts += [f"| `{' | '.join(row)} |\n" for row in _rows(model)]
    parts.append(AUGMENT)
    parts += [f"- `{name}`: {', '.join(operations) or 'nothing'}\n" for name, operations in PRESETS.items()]
    parts.append("\n| operation | p | range | for | what it does |\n|---|---|---|---|---|\n")
    for name, kind in KINDS.items():
        span = f"{kind.default[0]:g} to {kind.default[1]:g} ({kind.unit})" if kind.unit else ""
        only = "fake" if name in FOR_FAKES else "all"
        parts.append(f"| `{name}` | {kind.p:g} | {span} | {only} | {kind.what} |\n")
    return "".join(parts)


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and the comment beside the field."""
    sources = [getsource(one) for one in reversed(model.__mro__) if issubclass(one, BaseModel) and one is not BaseModel]
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", "".join(sources), re.M))
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        yield f"{name}`", _type(field.annotation), default, comments.get(name, "").replace("|", "or")


def _default(value: Any) -> str:
    if isinstance(value, BaseModel) or (isinstance(value, dict) and len(value) > 3):
        return "see below"
    return f"`{toml(value)}`" if value is not None else ""


def toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def _type(annotation: Any) -> str:
    """Return a type in words."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _type(inner[0])
    if kind is Literal:
        return ", ".join(toml(value) for value in inner)
    if kind is tuple:
        return f"list of {_type(inner[0])}"
    if kind is dict:
        return f"table of {_type(inner[1])}"
    if inner:  # a union
        return " or ".join(_type(one) for one in inner if one is not type(None))
    names = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return names.get(annotation, "table")


if __name__ == "__main__":
    page = Path("ensembles/README.md")
    _, *chapter = page.read_text().partition(MEASURED)
    atomic.write_text(page, "".join([reference(), *chapter]))
