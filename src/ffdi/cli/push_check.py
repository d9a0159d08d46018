"""The submission that a kernel brought back, checked before anybody spends a slot on it."""

from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.submission.check import check_bytes


def check(path: Path, competition: Competition, work: Path) -> None:
    """As `ffdi submit` would, by the ids of a manifest in `work` that knows these images; else by its own ids.

    Raises UserError naming file, row and remedy.
    """
    data = path.read_bytes()
    mine = [line.partition(",")[0] for line in data.decode(errors="replace").splitlines()[1:]]
    ids = known_ids(competition, work, set(mine))
    check_bytes(data, str(path), competition, mine if ids is None else ids)
    against = "its form alone: no manifest here knows these images" if ids is None else "the ids of the manifest"
    console.say(f"{path.name}: {len(mine):,} rows, checked against {against}")


def known_ids(competition: Competition, work: Path, mine: set[str]) -> list[str] | None:
    """Ids of the test images of a scanned folder that shares most of them with `mine`; None if none does."""
    from ffdi.data import manifest

    for path in sorted((work / competition.name).glob("*/manifest.parquet")):
        try:
            rows = manifest.read(Workspace(path.parent, work))
        except UserError as error:
            console.warn(f"{error} It is not used for the check.")
            continue
        ids = rows.loc[rows["split"] == "test", "id"].tolist()
        if 2 * len(mine.intersection(ids)) > min(len(ids), len(mine)):
            return ids
    return None
