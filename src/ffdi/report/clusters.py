"""The clusters of fakes that folds leave out whole, as counts and as faces."""

from pathlib import Path

import pandas as pd

from ffdi.report import contact
from ffdi.report.page import Block, Section
from ffdi.report.table import table

FACES = 3  # of a cluster on the sheet
MOST = 12  # clusters on the sheet


def sections(rows: pd.DataFrame, folder: Path | None) -> tuple[Section, ...]:
    """`rows`: id, relpath, target, group, fold and cluster (-1 without fakes); nothing for folds of another scheme."""
    if "cluster" not in rows:
        return ()
    fakes = rows[(rows["target"] == 1) & (rows["cluster"] >= 0)].sort_values(["cluster", "id"])
    by = fakes.groupby("cluster")
    frame = pd.DataFrame({"fold": by["fold"].first(), "fakes": by.size(), "groups": by["group"].nunique()})
    frame.insert(0, "cluster", frame.index.astype(str))  # a name, so set to the left
    caption = "All fakes of a cluster are held out by one fold: its model has seen none that look like them."
    blocks: list[Block] = [table(frame, "Clusters", caption)]
    if folder is not None:
        shown = fakes[fakes["cluster"] < MOST].groupby("cluster").head(FACES)
        shown = shown.assign(note="cluster " + shown["cluster"].astype(str))
        what = "Faces in one cluster should look made by one hand; if they only share a pose, take other features."
        blocks.append(contact.error_sheet(shown, folder, "Some of each", what, most=MOST * FACES))
    return (Section("Clusters of fakes", tuple(blocks)),)
