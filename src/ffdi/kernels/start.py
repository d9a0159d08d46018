"""What a kernel does before its main: the facts of the machine, missing packages from a wheelhouse, one-sentence ends.

Nothing here imports torch or timm: the wheelhouse may bring what they need, or another timm.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ffdi.core import console
from ffdi.core.errors import FfdiError, UserError
from ffdi.kernels import image, mounted
from ffdi.kernels.closure import closure
from ffdi.kernels.settings import complete

PATIENCE = 600.0  # seconds for pip


def run(kind: str, settings: Mapping[str, Any]) -> None:
    """The main `kind` ("infer", "train", "blend"); what the kit refuses ends in one sentence and exit code."""
    try:
        settings = complete(kind, settings)
        foreign = list(closure([f"kernels/entry/{kind}.py"]).foreign)
        folder = wheelhouse(settings["wheelhouse"])
        if folder is not None:
            console.say(f"wheelhouse {folder}: {', '.join(install(folder)) or 'all of it is installed already'}")
        _check(foreign, folder)
        facts = {name: found for name, found in image.found().items() if found}
        console.say(f"Python {platform.python_version()}, " + ", ".join(" ".join(pair) for pair in facts.items()))
        import_module(f"ffdi.kernels.entry.{kind}").main(settings)
    except FfdiError as error:
        console.fail(str(error))
        raise SystemExit(error.exit_code) from None


def wheelhouse(name: str) -> Path | None:
    """The mounted wheelhouse: the dataset of that name, or without a name the one folder that holds wheels."""
    if name == "none":
        return None
    if name:
        return mounted.dataset(name, mounted.SUMS, "the wheelhouse")
    found = list(mounted.folders_with(lambda path: mounted.holds(path, ".whl")))
    if len(found) > 1:
        raise UserError(f"Several wheelhouses are mounted: {', '.join(map(str, found))}; name one in SETTINGS.")
    return found[0] if found else None


def install(folder: Path) -> list[str]:
    """Put what `folder` has and this machine has not, or in another version, on the path; returns name==version.

    Into a folder of its own, without network and without dependencies: the image itself stays as it is.
    """
    if (folder / mounted.SUMS).is_file():
        mounted.verify(folder)
    wishes = {_wheel(path.name) for path in folder.glob("*.whl")}
    wanted = sorted(f"{name}=={number}" for name, number in wishes if _installed(name) != number)
    if wanted:
        target = Path(tempfile.mkdtemp(prefix="ffdi-wheels-"))
        options = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", "--no-input"]
        command = [sys.executable, "-m", "pip", "install", *options, "--find-links", str(folder)]
        done = subprocess.run(
            [*command, "--target", str(target), *wanted], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
            tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
            raise UserError(f"The wheelhouse {folder} cannot be installed here ({tag}): {reason}")
        _put_first(target)
    return wanted


def _put_first(folder: Path) -> None:
    """For this process and for those it starts."""
    sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([inherited] if inherited else [])])


def _check(foreign: list[str], folder: Path | None) -> None:
    lacking = image.missing(foreign)
    if lacking:
        packages = [image.ships()[name].package if name in image.ships() else name for name in lacking]
        remedy = f"the wheelhouse {folder} has none" if folder else "attach a wheelhouse (ffdi kernels wheels)"
        raise UserError(f"This image has no {', '.join(packages)}: {remedy}, or pin another image.")
    for name, instead in image.forgone(foreign).items():
        console.say(f"no {name}: {instead}")


def _wheel(file: str) -> tuple[str, str]:
    name, number = file.split("-")[:2]
    return name.replace("_", "-").lower(), number


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
