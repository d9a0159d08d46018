"""Identify the code that made an artefact, without git."""

from functools import cache
from pathlib import Path

from ffdi.core import digest

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_digest() -> str:
    """Return 64 hex digits over the name and content of every `.py` file of the package."""
    paths = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return digest.of_json({str(path): digest.of_file(PACKAGE / path) for path in paths if "sample" not in path.parts})
