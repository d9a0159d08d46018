"""What Kaggle's notebook image ships, by the list in `image.toml`, and what of it a machine has."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ffdi.core.errors import UserError

LIST = Path(__file__).with_name("image.toml")


@dataclass(frozen=True)
class Shipped:
    """A distribution of the image. `certainty`: "firm" or "base", as `image.toml` explains."""

    package: str
    version: str
    certainty: str


@cache
def ships() -> dict[str, Shipped]:
    """By the name that is imported."""
    return {name: Shipped(**facts) for name, facts in _list()["ships"].items()}


@cache
def optional() -> dict[str, str]:
    """What a kernel does without a package that the image lacks, by the name that is imported."""
    return dict(_list()["optional"])


def python() -> str:
    return str(_list()["python"])


def check(foreign: Mapping[str, Sequence[str]]) -> None:
    """Modules by imported name. Raises UserError for an import that would fail on Kaggle."""
    for name, users in foreign.items():
        if name not in ships() and name not in optional():
            raise UserError(
                f"{users[0]} imports {name}, which Kaggle's image does not ship; do without it in kernels, or list it "
                f"in {LIST.name}."
            )


def missing(foreign: Sequence[str]) -> list[str]:
    """Imported names that this machine lacks and a kernel cannot do without."""
    return [name for name in foreign if name not in optional() and find_spec(name) is None]


def forgone(foreign: Sequence[str]) -> dict[str, str]:
    """Imported names that this machine lacks, and what a kernel does without each."""
    return {name: instead for name, instead in optional().items() if name in foreign and find_spec(name) is None}


def found() -> dict[str, str]:
    """Versions here, by package; "" where it is not installed."""
    packages = [shipped.package for shipped in ships().values()] + list(optional())
    return {package: _version(package) for package in sorted(packages)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _list() -> dict[str, Any]:
    return tomllib.loads(LIST.read_text())
