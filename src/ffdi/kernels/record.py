"""`run.json`: which run an output is of, so that whoever fetches it can tell; and what it was made with."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.core import checksum
from ffdi.core.code import code_digest
from ffdi.kernels import image

FILE = "run.json"
TOLD_BY_IMAGE = {"git_commit": Path("/etc/git_commit"), "build_date": Path("/etc/build_date")}


def write(folder: Path, kind: str, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """`run`, the id that the settings give, or "" for a kernel that was pasted; the rest is for the reader."""
    about = {
        "kind": kind,
        "run": str(settings.get("run", "")),
        "code": code_digest(),
        "python": platform.python_version(),
        "packages": image.found(),
        "image": {name: path.read_text().strip() for name, path in TOLD_BY_IMAGE.items() if path.is_file()},
        "rerun": "KAGGLE_IS_COMPETITION_RERUN" in os.environ,
    }
    checksum.write_json(folder / FILE, {**about, **facts})
