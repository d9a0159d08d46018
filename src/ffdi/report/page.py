"""A page as a value, and the value as one HTML file that needs nothing but itself.

Order is fixed: what a person should conclude, the figures that carry it, the tables, then where it all comes from.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ffdi.core import console
from ffdi.core.atomic import write_text
from ffdi.report.table import Table

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Text:
    """A paragraph; `warning` sets it apart as something to act on."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Picture:
    """One image of a page. `alt` says in words what is seen, for those who cannot see it."""

    title: str
    alt: str
    source: str  # data URI
    caption: str = ""
    width: int = 0  # pixels at natural size
    height: int = 0


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


def write_safely(path: Path, build: Callable[[], Page]) -> bool:
    """Build a page and write it to `path`, whole or not at all; warn where that fails.

    The page comes after the work, so its failure must not change the exit code of the work.

    Args:
        path: The HTML file. Its stem names the page in the warning.
        build: Returns the page. It also imports the plots, so that a broken matplotlib is caught.

    Returns:
        True if the page was written.
    """
    try:
        write_text(path, render(build()))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        console.warn(f"The page {path.name} was not written ({why}). All other results are complete.")
        return False
    console.say(f"page: {path}")
    return True


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ffdi.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
