"""Wheels of other packages for an offline kernel: fetched at home, installed on Kaggle.

Only wheels: an sdist would be built there, and Kaggle unpacks archives. Never torch: the image's own fits its driver.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ffdi.core import atomic, digest
from ffdi.core.errors import UserError
from ffdi.core.layout import SUMS
from ffdi.kernels import image

PACKAGES = ("simplejpeg",)  # what the image lacks and a kernel is better with
PYTHONS = ("cp312", "cp313")  # the image of 2026-08 has 3.12; its base moved to 3.13 that month
OWN = re.compile(r"(torch.*|triton|nvidia-.*|cuda-.*)")  # the image's: many GB, and matched to its driver
# glibc of the image's Ubuntu 22.04 is 2.35; pip takes only what is listed.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(35, 16, -1)), "manylinux2014_x86_64")
RETRIES = 2


def pins(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the version of each package: as given (`name==version`), else that installed here. Raises UserError."""
    found = {}
    for package in packages:
        name, _, number = normalised(package).partition("==")
        if OWN.fullmatch(name):
            raise UserError(f"{name} is the image's own and is not shipped; leave it out of --packages.")
        found[name] = number or image.version_of(name)
        if not found[name]:
            raise UserError(f"{name} is not installed here; write {name}==VERSION.")
    return found


def fetch(folder: Path, versions: dict[str, str], pythons: Sequence[str] = PYTHONS) -> dict[str, int]:
    """Download a wheel of each package for each Python into `folder`; return bytes by file name. Raises UserError.

    Args:
        folder: wheels of other packages or versions in it stay.
        versions: exact version by package.
        pythons: tags such as "cp312".
    """
    sizes: dict[str, int] = {}
    for python in pythons:
        if not re.fullmatch(r"cp3\d+", python):
            raise UserError(f"--python {python!r} is no tag of CPython; write cp312 or cp312,cp313.")
        with tempfile.TemporaryDirectory() as scratch:
            _download(Path(scratch), [f"{name}=={version}" for name, version in versions.items()], python)
            for path in sorted(Path(scratch).glob("*.whl")):
                atomic.write_bytes(folder / path.name, path.read_bytes())
                sizes[path.name] = path.stat().st_size
    lines = [f"{digest.of_file(path)}  {path.name}\n" for path in sorted(folder.glob("*.whl"))]
    atomic.write_text(folder / SUMS, "".join(lines))
    return sizes


def lacking(folder: Path) -> list[Path]:
    """Return the wheels in `folder` that Kaggle's image does not have in that version, sorted."""
    ships = {normalised(entry["package"]): entry["version"] for entry in image.SHIPS.values()}
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise UserError(f"{folder} holds no wheels; run `ffdi kernels wheels {folder}` first.")
    return [path for path in found if ships.get(_parsed(path)[0]) != _parsed(path)[1]]


def install(found: Sequence[Path]) -> list[str]:
    """Install the wheels that this machine lacks, or has in another version, and return name==version of each.

    Into a new folder that goes first on the path of this process and its children, without network and dependencies:
    the image itself stays as it is. Raises UserError.
    """
    wanted = sorted(
        f"{name}=={number}" for name, number in set(map(_parsed, found)) if image.version_of(name) != number
    )
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


def normalised(package: str) -> str:
    """Return the name as PyPI compares it; a version after == stays as it is."""
    name, mark, number = package.partition("==")
    return re.sub(r"[-_.]+", "-", name).lower() + mark + number


def _parsed(path: Path) -> tuple[str, str]:
    name, number = path.name.split("-")[:2]
    return normalised(name), number


def _download(folder: Path, wanted: Sequence[str], python: str) -> None:
    """Run `pip download`. Raises UserError in one sentence of our own; pip's text may name private hosts."""
    tags = [text for platform in PLATFORMS for text in ("--platform", platform)]
    target = ["--implementation", "cp", "--python-version", f"3.{python[3:]}", *tags, "--dest", str(folder)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", str(RETRIES), "--timeout", "15"]
    command = [sys.executable, "-m", "pip", "download", *quiet, *target, "--only-binary=:all:", "--no-deps", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    absent = re.search(r"No matching distribution found for (\S+)", done.stderr)
    raise UserError(
        f"The package index has no wheel of {absent[1] if absent else wanted[0]} for {python} on Linux, or it cannot "
        "be reached; name another version, or run this where it can be reached and copy the folder."
    )
