"""Which code made an artefact: a digest of the package's own sources, so no git is needed to tell."""

from functools import cache
from pathlib import Path

from ffdi.core import digest

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_digest() -> str:
    """64 hex digits over every `.py` file of the package, by name and content."""
    sources = {
        str(path.relative_to(PACKAGE)): digest.of_file(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if "sample" not in path.relative_to(PACKAGE).parts
    }
    return digest.of_json(sources)
