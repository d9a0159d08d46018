"""What a page was made from: the command, the digests of its inputs, the versions that made it."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

from ffdi.core.code import code_digest

PACKAGES = ("ffdi", "numpy", "pandas", "matplotlib", "pillow")


def provenance(command: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """Lines for the foot of a page. `inputs`: sha256 digests by name ('manifest', 'folds', ...). Holds no time."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "command": command,
        **inputs,
        "code": code_digest(),
        "versions": f"Python {platform.python_version()}, {packages}",
    }
