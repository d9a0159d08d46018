"""A page as a value, and the value as one HTML file that needs nothing but itself.

Order is fixed: what a person should conclude, the figures that carry it, the tables, then where it all comes from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ffdi.core.atomic import write_text
from ffdi.report.figures import Picture
from ffdi.report.table import Table


@dataclass(frozen=True)
class Text:
    """A paragraph; `warning` sets it apart as something to act on."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Thumb:
    """A small picture of an image. Where it cannot be read, `source` is empty and `problem` says why."""

    source: str
    alt: str
    caption: str
    name: str = ""  # of the file, without its suffix
    label: str = ""  # 'fake', 'original' or 'unlabelled': the colour of its edge
    problem: str = ""


@dataclass(frozen=True)
class Card:
    """Thumbs that belong together, such as a pair of near-duplicates."""

    thumbs: tuple[Thumb, ...]
    caption: str = ""


@dataclass(frozen=True)
class Gallery:
    """A contact sheet."""

    title: str
    cards: tuple[Card, ...]
    caption: str = ""


Block = Text | Picture | Table | Gallery


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def runs(self) -> list[tuple[str, list[Block]]]:
        """The blocks with neighbours of one kind together, so that pictures can stand side by side."""
        runs: list[tuple[str, list[Block]]] = []
        for block in self.blocks:
            kind = type(block).__name__
            if not runs or runs[-1][0] != kind:
                runs.append((kind, []))
            runs[-1][1].append(block)
        return runs


@dataclass(frozen=True)
class Fact:
    """A number large enough to be seen first: 'OOF AUC', '0.9671', '0.9583 to 0.9759'."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Page:
    """`headline` is the conclusion in one or two sentences; `provenance` says what it was made from and how."""

    title: str
    headline: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def render(page: Page) -> str:
    """The HTML of `page`. Equal pages give equal text."""
    return _template().render(page=page)


def write(path: Path, page: Page) -> None:
    """Put the page under `path`, whole or not at all. Raises SpaceError or UserError as `atomic.write_text` does."""
    write_text(path, render(page))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ffdi.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
