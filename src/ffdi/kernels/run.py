"""The function that the scripts in `kernels/` call: check the script, install packages, then infer, train or blend.

Nothing here imports torch or timm: an attached wheel may bring another timm.
"""

import os
import platform
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field

from ffdi.config.competition import Frozen
from ffdi.config.load import validate
from ffdi.core import checksum, console
from ffdi.core.digest import code_digest
from ffdi.core.errors import FfdiError, UserError
from ffdi.core.layout import RUN_RECORD
from ffdi.kernels import mounts, team, wheels

API = 2  # of the scripts; raise it when a script of before would not work any more


class BlendSettings(Frozen):
    pack: str = ""
    run: str = ""


class InferSettings(BlendSettings):
    until: str = Field("8h30m", pattern="^([0-9]+h)?([0-9]+m)?([0-9]+s)?$")  # a time of day is over in the hidden rerun
    workers: int | None = Field(None, ge=0)


class TrainSettings(BlendSettings):
    until: str = "11h30m"
    members: list[str] = []


SETTINGS: dict[str, type[BlendSettings]] = {"infer": InferSettings, "train": TrainSettings, "blend": BlendSettings}


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
        _record(kind, settings["run"], {**facts, "seconds": round(time.time() - begun)})
    except FfdiError as error:
        console.fail(str(error))
        raise SystemExit(error.exit_code) from None


def complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the defaults of those left out. Raises UserError for a wrong name or type."""
    return validate(SETTINGS[kind], dict(given), "SETTINGS").model_dump()


def _install(packed: team.TeamPack) -> None:
    found = [packed.path(name) for name in packed.files if name.endswith(".whl") and name != packed.wheel]
    try:
        if done := wheels.install(found):
            console.say(f"installed from the dataset: {', '.join(done)}")
    except UserError as error:  # Kaggle's image changes; what it has may do
        console.warn(f"{error} The kernel goes on without.")
    lacking = wheels.missing()
    if lacking:
        raise UserError(
            f"This image has no {', '.join(lacking)}; put the wheels into a folder and pack again with --wheels FOLDER."
        )
    versions = ", ".join(f"{name} {number}" for name, number in wheels.installed().items())
    console.say(f"ffdi {packed.wheel.split('-')[1]}, Python {platform.python_version()}, {versions}")


def _record(kind: str, run: str, facts: Mapping[str, Any]) -> None:
    """Write which run the output is of, and what it was made with."""
    about = {
        "kind": kind,
        "run": run,
        "code": code_digest(),
        "python": platform.python_version(),
        "packages": wheels.installed(),
        "rerun": "KAGGLE_IS_COMPETITION_RERUN" in os.environ,
    }
    checksum.write_json(mounts.working_root() / RUN_RECORD, {**about, **facts})
