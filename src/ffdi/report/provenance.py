"""What a page was made from: the command, the digests of its inputs, the versions that made it."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ffdi.core.code import code_digest
from ffdi.report.table import MISSING

PACKAGES = ("ffdi", "numpy", "pandas", "matplotlib", "pillow")


def provenance(command: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """Lines for the foot of a page. `inputs`: sha256 digests by name ('manifest', 'folds', ...). Holds no time."""
    packages = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    return {
        "command": command,
        **inputs,
        "code": code_digest(),
        "versions": f"Python {platform.python_version()}, {packages}",
    }


def version_of(package: str) -> str:
    """Return the installed version; a dash for a package without metadata, such as the kit run from its sources."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING
