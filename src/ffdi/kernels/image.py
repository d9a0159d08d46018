"""The packages of Kaggle's notebook image, as `image.toml` lists them, and those of this machine."""

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("image.toml")


@cache
def ships() -> dict[str, dict[str, str]]:
    """Return package, version and certainty of each module that the image has and a kernel imports."""
    return dict(_list()["ships"])


@cache
def optional() -> dict[str, str]:
    """Return what a kernel does without each module that the image may lack."""
    return dict(_list()["optional"])


def missing() -> list[str]:
    """Return the packages that a kernel needs and this machine lacks."""
    return [entry["package"] for name, entry in ships().items() if find_spec(name) is None]


def installed() -> dict[str, str]:
    """Return the versions of the packages found here."""
    names = sorted([*(entry["package"] for entry in ships().values()), *optional()])
    return {name: number for name in names if (number := version_of(name))}


def version_of(package: str) -> str:
    """Return the installed version, "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _list() -> dict[str, Any]:
    return tomllib.loads(LIST.read_text())
