"""The packages of Kaggle's notebook image, as `image.toml` lists them, and those of this machine."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_LIST = tomllib.loads(Path(__file__).with_name("image.toml").read_text())
SHIPS: dict[str, dict[str, str]] = _LIST["ships"]  # package, version and certainty by the name that is imported
OPTIONAL: dict[str, str] = _LIST["optional"]  # what a kernel does without each module that the image may lack


def missing() -> list[str]:
    """Return the packages that a kernel needs and this machine lacks."""
    return [entry["package"] for name, entry in SHIPS.items() if find_spec(name) is None]


def installed() -> dict[str, str]:
    """Return the versions of the packages found here."""
    names = sorted([*(entry["package"] for entry in SHIPS.values()), *OPTIONAL])
    return {name: number for name in names if (number := version_of(name))}


def version_of(package: str) -> str:
    """Return the installed version, "" if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
