"""Lay out in a folder what Kaggle would mount for an infer kernel, in either known layout."""

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import keys
from ffdi.kernels.mounts import submission_rows
from ffdi.kernels.team import TeamPack

SAMPLE = "sample_submission.csv"  # of the opening day: in a hidden rerun it names images that are not there


@dataclass(frozen=True)
class Scenario:
    """`newer`: of the two layouts of mounts. `until`: the deadline in its SETTINGS; "" for none.

    `hidden`: as in a hidden rerun: every image has a new id, there is one more, the last one is broken, and the sample
    submission names the old ids.
    """

    name: str
    newer: bool = True
    hidden: bool = False
    until: str = ""


@dataclass(frozen=True)
class MockInput:
    """`folder`: of the competition. `rows`: id and relpath (below it) of the submission, in order."""

    root: Path
    folder: Path
    rows: pd.DataFrame

    @property
    def working(self) -> Path:
        return self.root / "working"


def build(root: Path, scenario: Scenario, pack: TeamPack, dataset: str, data: Path, images: int) -> MockInput:
    """Lay out test images and the packed dataset below `root/input`.

    Args:
        root: a new folder.
        scenario: decides on mounts and images.
        pack: the packed dataset.
        dataset: its name, "slug" or "owner/slug".
        data: the competition folder that images are taken from.
        images: how many, at most.

    Raises UserError if `data` has no test table.
    """
    slug, owned = pack.competition.slug, dataset if "/" in dataset else f"rehearsal/{dataset}"
    places = (f"competitions/{slug}", f"datasets/{owned}") if scenario.newer else (slug, dataset.split("/")[-1])
    at, mounted = (root / "input" / place for place in places)
    mock = MockInput(root, at, _rows(data, pack.competition, images + scenario.hidden, scenario.hidden))
    mounted.parent.mkdir(parents=True)
    mounted.symlink_to(pack.folder.resolve(), target_is_directory=True)
    mock.working.mkdir()
    for relpath, source in zip(mock.rows["relpath"], mock.rows["source"], strict=True):
        (at / relpath).parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_file():
            shutil.copyfile(source, at / relpath)  # no link, so that the kernel cannot find the way back to the sources
    if scenario.hidden:
        (at / mock.rows["relpath"].iloc[-1]).write_bytes(b"no image")
    _write_tables(mock, pack.competition)
    return mock


def _rows(data: Path, competition: Competition, images: int, hidden: bool) -> pd.DataFrame:
    """Return id, relpath, and of the image in `data` its file (source) and id (old)."""
    rows, folder = submission_rows(data, competition).head(images), PurePosixPath(competition.test.images)
    rows = rows.assign(source=[str(data / path) for path in rows["relpath"]], old=rows["id"])
    if not hidden:
        return rows
    new = [f"{keys.key('hidden rerun', name):032x}{Path(name).suffix}" for name in rows["old"]]
    places = zip(rows["relpath"], rows["old"], new, strict=True)
    return rows.assign(
        id=new, relpath=[f"{folder / name}{path.removeprefix(str(folder / old))}" for path, old, name in places]
    )


def _write_tables(mock: MockInput, competition: Competition) -> None:
    table = mock.rows[["id"]].rename(columns={"id": competition.id_column})
    if competition.test.has_target:
        table[competition.target_column] = competition.real_words[0]
    if competition.test.labels:
        path = mock.folder / competition.test.labels
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False, lineterminator="\n")
    sample = pd.DataFrame({competition.id_column: mock.rows["old"], competition.prediction_column: 0.5})
    sample.to_csv(mock.folder / SAMPLE, index=False, lineterminator="\n")
