"""The packages of Kaggle's notebook image, as `image.toml` lists them, and the wheels that a dataset brings beside."""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ffdi.core.errors import UserError

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


def lacking(folder: Path) -> list[Path]:
    """Return the wheels in `folder` that Kaggle's image does not have in that version, sorted."""
    ships = {normalised(entry["package"]): entry["version"] for entry in SHIPS.values()}
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise UserError(f"{folder} holds no wheels; fetch some there by `pip download`.")
    return [path for path in found if ships.get(_parsed(path)[0]) != _parsed(path)[1]]


def install(found: Sequence[Path]) -> list[str]:
    """Install the wheels that this machine lacks, or has in another version, and return name==version of each.

    Into a new folder that goes first on the path of this process and its children, without network and dependencies:
    the image itself stays as it is. Raises UserError.
    """
    wanted = sorted(f"{name}=={number}" for name, number in set(map(_parsed, found)) if version_of(name) != number)
    if not wanted:
        return []
    target = tempfile.mkdtemp(prefix="ffdi-wheels-")
    links = [text for folder in {path.parent for path in found} for text in ("--find-links", str(folder))]
    options = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", "--no-input", "--target", target]
    command = [sys.executable, "-m", "pip", "install", *options, *links, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
        tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
        raise UserError(f"{', '.join(wanted)} cannot be installed here ({tag}) from {found[0].parent}: {reason}")
    sys.path.insert(0, target)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [target, os.environ.get("PYTHONPATH")]))
    return wanted


def normalised(name: str) -> str:
    """Return the name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parsed(path: Path) -> tuple[str, str]:
    name, number = path.name.split("-")[:2]
    return normalised(name), number
