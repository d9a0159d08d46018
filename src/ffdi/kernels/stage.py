"""What Kaggle would mount for a kernel, laid out in a folder: images under new names or old, in either known layout."""

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.data import tables
from ffdi.config.competition import Competition

STALE = "sample_submission.csv"  # of the day the contest opened: in a hidden rerun it names images that are not there
LEFT = 64  # bytes of an image that is broken on purpose
LAYOUTS = {"newer": ("competitions", "datasets"), "older": ("", "")}


@dataclass(frozen=True)
class Sources:
    """The names under which things are mounted: a competition's slug, a dataset "owner/slug"."""

    competition: str
    dataset: str


@dataclass(frozen=True)
class Stage:
    """`rows`: id and relpath (below `folder`) of the images that a submission must hold, in order."""

    root: Path
    folder: Path  # of the competition
    rows: pd.DataFrame

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def working(self) -> Path:
        return self.root / "working"

    @property
    def sample(self) -> Path:
        return self.folder / STALE


def build(
    root: Path,
    sources: Sources,
    layout: str,
    pack: Path,
    data: Path,
    competition: Competition,
    images: int,
    hidden: bool,
) -> Stage:
    """Lay out `images` test images of the folder `data`, and the weights `pack`, below `root`.

    `hidden`: as in a hidden rerun, every image under an id never seen, again and again if there are too few, and the
    second one broken; the sample submission names the old ids. Raises UserError if `data` has no such test table.
    """
    at = root / "input"
    competitions, datasets = LAYOUTS[layout]
    folder = at / competitions / sources.competition
    stage = Stage(root, folder, _rows(data, competition, images, hidden))
    mounted = at / datasets / (sources.dataset if datasets else sources.dataset.split("/")[-1])
    mounted.parent.mkdir(parents=True, exist_ok=True)
    mounted.symlink_to(pack.resolve(), target_is_directory=True)
    stage.working.mkdir(parents=True)
    for relpath, source in zip(stage.rows["relpath"], stage.rows["source"], strict=True):
        target = folder / relpath
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_file():
            shutil.copyfile(source, target)  # no link: the kernel must not find the way back to the sources
    if hidden:
        broken = folder / stage.rows["relpath"].iloc[1]
        broken.write_bytes(broken.read_bytes()[:LEFT])
    _write_tables(stage, competition)
    return stage


def _rows(data: Path, competition: Competition, images: int, hidden: bool) -> pd.DataFrame:
    """id, relpath, and of the image in `data` its file (source) and id (named)."""
    ids = tables.read_labels(data, competition, "test").frame["id"].tolist()
    if not ids:
        raise UserError(f"{data / competition.test.labels} names no image; there is nothing to rehearse with.")
    many = list(itertools.islice(itertools.cycle(ids), images)) if hidden else ids[:images]
    names = [_new_name(name, number) for number, name in enumerate(many)] if hidden else many
    folder = PurePosixPath(competition.test.images)
    sources = [str(data / competition.test.images / name) for name in many]
    relpaths = [str(folder / name) for name in names]
    return pd.DataFrame({"id": names, "relpath": relpaths, "source": sources, "named": many})


def _new_name(name: str, number: int) -> str:
    return f"{keys.key('hidden rerun', number, name):032x}{Path(name).suffix}"


def _write_tables(stage: Stage, competition: Competition) -> None:
    wish = competition.test
    table = stage.rows[["id"]].rename(columns={"id": competition.id_column})
    if wish.has_target:
        table[competition.target_column] = 0
    path = stage.folder / wish.labels
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
    stale = pd.DataFrame({competition.id_column: stage.rows["named"].unique(), competition.prediction_column: 0.5})
    stale.to_csv(stage.sample, index=False, lineterminator="\n")
