"""The wheel of this kit, the packages of Kaggle's notebook image (`image.toml`), and other wheels of a dataset.

The kit's wheel has the same bytes on every machine: sorted names, one timestamp, no compression.
"""

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ffdi.core import digest
from ffdi.core.digest import PACKAGE
from ffdi.core.errors import UserError

_LIST = tomllib.loads(Path(__file__).with_name("image.toml").read_text())
SHIPS: dict[str, dict[str, str]] = _LIST["ships"]  # package, version and certainty by the name that is imported
OPTIONAL: dict[str, str] = _LIST["optional"]  # what a kernel does without each module that the image may lack
VERSION = "0.2.0"  # of pyproject.toml; the wheel adds the digest of its sources
SUFFIXES = (".py", ".toml", ".j2")
LEFT_OUT = {"sample", "__pycache__"}
WHEEL = "Wheel-Version: 1.0\nGenerator: ffdi\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# Without dependencies: Kaggle's image has its own, and the kernel checks that none is missing.
METADATA = "Metadata-Version: 2.1\nName: ffdi\nVersion: {version}\nRequires-Python: >=3.11\nLicense: MIT\n"


def build_kit() -> tuple[str, bytes]:
    """Return the wheel of the package that is running, without its sample images: file name and content.

    A name is "ffdi-0.2.0+g1f2e3d4c5b6a-py3-none-any.whl".
    """
    files = {path: (PACKAGE.parent / path).read_bytes() for path in _sources()}
    sources = digest.of_json({path: digest.of_bytes(data) for path, data in files.items()})
    version = f"{VERSION}+g{sources[:12]}"
    info = f"ffdi-{version}.dist-info"
    files[f"{info}/METADATA"] = METADATA.format(version=version).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    return f"ffdi-{version}-py3-none-any.whl", _zipped(files)


def _sources() -> list[str]:
    """Return the paths below the folder of the package, with "/", sorted."""
    found = [path for path in PACKAGE.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    inside = [path for path in found if not LEFT_OUT & set(path.relative_to(PACKAGE).parts)]
    return sorted(path.relative_to(PACKAGE.parent).as_posix() for path in inside if not path.name.startswith("."))


def _record(files: dict[str, bytes], own: str) -> str:
    lines = []
    for name, data in files.items():
        sha = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={sha},{len(data)}\n")
    return "".join(lines) + f"{own},,\n"


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # another zlib would compress to other bytes
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980-01-01
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


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
    ships = {(normalised(entry["package"]), entry["version"]) for entry in SHIPS.values()}
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise UserError(f"{folder} holds no wheels; fetch some there by `pip download`.")
    return [path for path in found if _parsed(path) not in ships]


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
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200].rstrip(".")
        tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
        raise UserError(f"{', '.join(wanted)} cannot be installed here ({tag}) from {found[0].parent}: {reason}.")
    sys.path.insert(0, target)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [target, os.environ.get("PYTHONPATH")]))
    return wanted


def normalised(name: str) -> str:
    """Return the name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parsed(path: Path) -> tuple[str, str]:
    name, number = path.name.split("-")[:2]
    return normalised(name), number
