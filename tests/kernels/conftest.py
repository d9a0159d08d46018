"""A contest of a few images and a team trained on it, once for all tests of this folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffdi.blending import saved
from ffdi.blending.result import BlendResult, blend
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core.layout import Workspace
from ffdi.data import folds
from ffdi.data.scan import scan
from ffdi.kernels import pack, team
from ffdi.kernels.team import TeamPack
from ffdi.submission.kernel import with_settings
from ffdi.training import launch
from ffdi.training.job import plan
from tests.fixtures.command_line import RECIPE, command_line

CHANGES = ("member.epochs=1", 'member.one.tta=["hflip", "identity"]', "blend.method=stack")
BROKEN, WIDE = "0" * 32 + ".png", "f" * 32 + ".png"  # two more test images: no image at all, and two frames in one
TEST = "phase2/testset1_seen"
TABLE = "phase2/testset1_seen_nolabel.txt"
SLUG = "multi-ffdi-phase2"
# Installed here, and not in Kaggle's image or not asked of it.
LACKING = ("simplejpeg", "imagehash", "optuna", "matplotlib", "jinja2", "typer", "kaggle")
SCRIPTS = Path(__file__).parents[2] / "kernels"


@dataclass(frozen=True)
class Home:
    """A finished team. `images`: the competition folder. `pack`: its dataset. `result`: what `ffdi blend` made."""

    images: Path
    recipe: Recipe
    competition: Competition
    places: Workspace
    pack: Path
    result: BlendResult

    @property
    def team(self) -> TeamPack:
        return team.read(self.pack)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    images = (line := command_line(folder, RECIPE)).images
    noise = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    Image.fromarray(noise).save(images / TEST / WIDE)
    (images / TEST / BROKEN).write_bytes(b"this is no image")
    with (images / TABLE).open("a") as table:
        table.write(f"{BROKEN}\n{WIDE}\n")
    recipe, competition = load_recipe(line.recipe, CHANGES), load_competition(SLUG)
    places = Workspace(folder / "work" / SLUG / "sample", folder / "submissions")
    rows = scan(competition, images, places, 1)
    made = folds.make(places, recipe.folds, rows, recipe.data.train_splits)
    jobs = plan(recipe, competition, rows, made, images, places)
    launch.train(jobs, ["cpu"], None)
    result = blend(recipe, competition, places)
    saved.save(result, places)
    packed = pack.pack_team(recipe, competition, places, folder / "tiny-team")
    return Home(images, recipe, competition, places, packed, result)


@dataclass(frozen=True)
class Mounts:
    input: Path
    working: Path

    def add(self, source: Path, at: str) -> Path:
        """A copy that a test may change."""
        return Path(shutil.copytree(source, self.input / at))


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounts:
    """Empty mounts of this process, and the folder that Kaggle would keep."""
    made = Mounts(tmp_path / "input", tmp_path / "working")
    for path, name in ((made.input, "FFDI_INPUT"), (made.working, "FFDI_WORKING")):
        path.mkdir()
        monkeypatch.setenv(name, str(path))
    return made


# As a notebook runs a cell: inside an event loop that is at work, in a main module without a file.
CELL = """
import asyncio, sys
from types import FunctionType
async def cell():
    text = open(sys.argv[1]).read()
    FunctionType(compile(text, "<cell>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})()
asyncio.run(cell())
"""


@pytest.fixture
def run_script(mounts: Mounts, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """`run_script(text)` runs a script beside the mounts, and gives its exit code and what it printed."""

    def run(text: str, cell: bool = False, **environment: str) -> tuple[int, str]:
        (tmp_path / "script.py").write_text(text)
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, *(["-c", CELL] if cell else []), str(tmp_path / "script.py")],
            env={**kept, **environment, "OMP_NUM_THREADS": "1"},
            cwd=mounts.working,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def script_of(kind: str, **values: str) -> str:
    """A script of the kit with these settings."""
    return with_settings((SCRIPTS / f"{kind}.py").read_text(), **values)


def make_wheel(folder: Path, name: str, number: str, tag: str = "py3-none-any") -> Path:
    """A wheel of one module, with `version` in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-{number}-{tag}.whl", f"{name}-{number}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"version = '{number}'\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path
