"""A contest of a few images and a team trained on it, once for all tests of this folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
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
from tests.fixtures.training import contest_folder

RECIPE = """\
name = "tiny"
[folds]
k = 2
[data]
workers = 0
[defaults]
weights = "none"
image_size = 32
batch_size = 8
epochs = 1
[[member]]
name = "one"
model = "test_resnet"
tta = ["hflip", "identity"]
[[member]]
name = "two"
model = "test_vit"
[blend]
method = "stack"
"""
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
    images = folder / "contest"
    contest_folder(images)
    noise = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    Image.fromarray(noise).save(images / TEST / WIDE)
    (images / TEST / BROKEN).write_bytes(b"this is no image")
    with (images / TABLE).open("a") as table:
        table.write(f"{BROKEN}\n{WIDE}\n")
    (folder / "tiny.toml").write_text(RECIPE)
    recipe, competition = load_recipe(folder / "tiny.toml"), load_competition(SLUG)
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


@dataclass
class Kernel:
    """`run()` gives the exit code; `out` is what it printed, `working` what Kaggle would keep."""

    script: Path
    input: Path
    working: Path
    out: str = ""

    def run(self, cell: bool = False, **environment: str) -> int:
        roots = {"FFDI_INPUT": str(self.input), "FFDI_WORKING": str(self.working)}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, *(["-c", CELL] if cell else []), str(self.script)],
            env={**kept, **roots, **environment, "OMP_NUM_THREADS": "1"},
            cwd=self.working,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        self.out = done.stdout + done.stderr
        return done.returncode


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """`kernel("infer", until="1m")`: a copy of the script with these settings, and empty mounts."""

    def make(kind: str, **values: str) -> Kernel:
        made = Kernel(tmp_path / "script.py", tmp_path / "input", tmp_path / "working")
        made.script.write_text(with_settings((SCRIPTS / f"{kind}.py").read_text(), **values))
        made.input.mkdir(exist_ok=True)
        made.working.mkdir(exist_ok=True)
        return made

    yield make
    shutil.rmtree(tmp_path, ignore_errors=True)


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
