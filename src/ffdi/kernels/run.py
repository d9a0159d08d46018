"""The function that the scripts in `kernels/` call: check the script, install packages, then infer, train or blend.

Nothing here imports torch or timm: an attached wheel may bring another timm.
"""

import difflib
import os
import platform
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ffdi.core import checksum, console
from ffdi.core.code import code_digest
from ffdi.core.errors import FfdiError, UserError
from ffdi.core.layout import RUN_RECORD
from ffdi.kernels import image, mounts, team, wheels

API = 1  # of the scripts; raise it when a script of before would not work any more
IMAGE_FACTS = {"git_commit": Path("/etc/git_commit"), "build_date": Path("/etc/build_date")}
SETTINGS: dict[str, dict[str, Any]] = {
    "infer": {"pack": "", "competition": "", "until": "8h30m", "workers": None, "run": ""},
    "train": {"pack": "", "competition": "", "until": "11h30m", "members": [], "resume": [], "run": ""},
    "blend": {"pack": "", "outputs": [], "run": ""},
}


def run(kind: str, settings: Mapping[str, Any], pack: Path, api: int) -> None:
    """Run a kernel and write `run.json`; what the kit refuses ends in one sentence and an exit code.

    Args:
        kind: "infer", "train" or "blend".
        settings: SETTINGS of the script; what is left out has its default.
        pack: the folder with team.json.
        api: API of the script.
    """
    begun = time.time()
    try:
        if api != API:
            raise UserError(
                f"The script is of version {api}, the wheel in {pack} of {API}; take kernels/{kind}.py of the kit that "
                "packed the dataset, or pack it again."
            )
        settings = complete(kind, settings)
        packed = team.read(pack)
        _install(packed)
        facts = import_module(f"ffdi.kernels.{kind}").main(settings, packed)
        _record(
            kind, str(settings["run"]), {**facts, "seconds": {**facts["seconds"], "all": round(time.time() - begun)}}
        )
    except FfdiError as error:
        console.fail(str(error))
        raise SystemExit(error.exit_code) from None


def complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the defaults of those left out. Raises UserError for a wrong name or type."""
    known = SETTINGS[kind]
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
            raise UserError(f"SETTINGS: unknown key {name!r}; {hint}")
        wanted = int if known[name] is None else type(known[name])
        if type(value) is not wanted and (value is not None or known[name] is not None):
            word = "text" if wanted is str else "a list" if wanted is list else "a whole number"
            raise UserError(f"SETTINGS: {name} must be {word}, not {value!r}.")
    return {**known, **given}


def _install(packed: team.TeamPack) -> None:
    found = [packed.path(name) for name in packed.files if name.endswith(".whl") and name != packed.wheel]
    if found:
        done = wheels.install(found)
        console.say(f"installed from the dataset: {', '.join(done) or 'nothing, all of it is here'}")
    lacking = image.missing()
    if lacking:
        raise UserError(
            f"This image has no {', '.join(lacking)}; add the wheels (`ffdi kernels wheels`, then `ffdi kernels pack "
            "--wheels FOLDER`), or pin another image."
        )
    versions = ", ".join(f"{name} {number}" for name, number in image.installed().items())
    console.say(f"ffdi {packed.wheel.split('-')[1]}, Python {platform.python_version()}, {versions}")


def _record(kind: str, run: str, facts: Mapping[str, Any]) -> None:
    """Write which run the output is of, and what it was made with."""
    about = {
        "kind": kind,
        "run": run,
        "code": code_digest(),
        "python": platform.python_version(),
        "packages": image.installed(),
        "image": {name: path.read_text().strip() for name, path in IMAGE_FACTS.items() if path.is_file()},
        "rerun": "KAGGLE_IS_COMPETITION_RERUN" in os.environ,
    }
    checksum.write_json(mounts.working_root() / RUN_RECORD, {**about, **facts})
