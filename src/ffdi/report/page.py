"""A page as a value, and its rendering to one HTML file that loads nothing else.

The order is fixed: the conclusion, the sections, then what the page was made from.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from ffdi.core import console
from ffdi.core.atomic import write_text
from ffdi.core.digest import code_digest
from ffdi.report.table import Table


@dataclass(frozen=True)
class Text:
    """A paragraph. `warning` marks it as something to act on."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Picture:
    """A plot or photo. `alt` describes it in words for readers who cannot see it."""

    title: str
    alt: str
    source: str  # data URI
    caption: str = ""
    width: int = 0  # pixels at natural size
    height: int = 0


@dataclass(frozen=True)
class Thumb:
    """A small image. If it cannot be read, `source` is empty and `problem` says why."""

    source: str
    alt: str
    caption: str
    name: str = ""  # file name without suffix
    label: str = ""  # 'fake', 'original' or 'unlabelled': the colour of the edge
    problem: str = ""


@dataclass(frozen=True)
class Gallery:
    """A sheet of small images."""

    title: str
    thumbs: tuple[Thumb, ...]
    caption: str = ""


Block = Text | Picture | Table | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def runs(self) -> list[tuple[str, list[Block]]]:
        """Return (kind, blocks), neighbours of one kind together, so that pictures can stand side by side."""
        return [(kind, list(run)) for kind, run in groupby(self.blocks, lambda block: type(block).__name__)]


@dataclass(frozen=True)
class Page:
    """A whole page. `headline` is its conclusion; sections without blocks are not shown."""

    title: str
    headline: str
    sections: tuple[Section, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[Section]:
        return [section for section in self.sections if section.blocks]


def render(page: Page) -> str:
    """Return the HTML of `page`. Equal pages give equal text."""
    return _template().render(page=page)


def show(path: Path, build: Callable[[], Page]) -> None:
    """Build a page, print its conclusion, warnings and tables, and write it to `path`; warn where that fails.

    The page comes after the work, so its failure must not change the exit code of the work. `build` also imports the
    plots, so that a broken matplotlib is caught.
    """
    try:
        page = build()
        _print(page)
        write_text(path, render(page))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        console.warn(f"The page {path.name} was not written ({why}). All other results are complete.")
    else:
        console.say(f"page: {path}")


def _print(page: Page) -> None:
    console.say(page.headline)
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Text) and block.warning:
                console.warn(block.text)
            if isinstance(block, Table):
                console.table(f"{section.title}: {block.title}", block.columns, block.rows)


def page_of(module: str, *values: Any) -> Callable[[], Page]:
    """Return a function that imports a module of ffdi.report and returns its `page` of these values."""
    return lambda: import_module(f"ffdi.report.{module}").page(*values)


def provenance(command: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the lines at the foot of a page: command, input digests by name, code. It holds no time."""
    return {"command": command, **inputs, "code": code_digest()}


def data_uri(data: bytes, mime: str) -> str:
    """Return `data` as a string that an image tag can hold."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ffdi.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
