"""The lines at the foot of a page: the command, digests of its inputs, code and package versions."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ffdi.core.code import code_digest
from ffdi.report.table import MISSING

PACKAGES = ("ffdi", "numpy", "pandas", "matplotlib", "pillow")


def provenance(command: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the lines at the foot of a page: command, input digests by name, code, versions. It holds no time."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    versions = f"Python {platform.python_version()}, {packages}"
    return {"command": command, **inputs, "code": code_digest(), "versions": versions}


def _version(package: str) -> str:
    """Return the installed version, or a dash: the kit run from its sources has no metadata."""
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING
