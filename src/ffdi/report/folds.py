"""The page of folds: what the folder holds, what would mislead a model, and whether the folds can be trusted."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ffdi.data.audit import Audit
from ffdi.report import audit as audits
from ffdi.report import images
from ffdi.report.page import Block, Page, Section, Text, provenance
from ffdi.report.table import Table, counted, table

UNEVEN = 0.02  # the largest accepted distance between a fold's share of fakes and the overall share
CLUSTERS, FACES = 12, 3  # clusters of fakes on the sheet, images of each


def page(
    manifest: pd.DataFrame, audit: Audit, folds: pd.DataFrame, folder: Path | None, inputs: Mapping[str, str]
) -> Page:
    """Return the page.

    Args:
        manifest: One row an image, as stored.
        audit: The tables of `data.audit`.
        folds: Columns id, split, group, fold and, for the scheme "cluster", cluster (-1 for none).
        folder: Where the manifest's relpath starts; None leaves the image sheets out.
        inputs: Digests by name, for the foot.
    """
    rows = folds.merge(manifest, on=["id", "split"], how="left", validate="one_to_one").sort_values(["fold", "id"])
    fake = rows["target"] == 1
    off = float((fake.groupby(rows["fold"]).mean() - fake.mean()).abs().max())
    torn = int((rows.groupby("group")["fold"].nunique() > 1).sum())
    return Page(
        title=f"{counted(rows['fold'].nunique(), 'fold')} of {counted(len(rows), 'image')}",
        headline=_headline(manifest, audit, rows, torn),
        sections=(
            Section("Folds", _folds(rows, torn, off)),
            Section("Clusters of fakes", _clusters(rows, folder)),
            *audits.sections(manifest, audit),
            Section("Groups of near-duplicates", _groups(rows)),
        ),
        provenance=provenance("ffdi folds", inputs),
    )


def _headline(manifest: pd.DataFrame, audit: Audit, rows: pd.DataFrame, torn: int) -> str:
    told = "No near-duplicate group is split over folds."
    if torn:
        told = f"{counted(torn, 'near-duplicate group')} in more than one fold: OOF AUC will be too high."
    elif rows["group"].is_unique:
        told = "No near-duplicates were found."
    usable = int((manifest["status"] != "quarantined").sum())
    across = int(audit.pairs.loc[audit.pairs["split_a"] != audit.pairs["split_b"], "pairs"].sum())
    leak = f" Near-duplicate pairs across splits: {across:,}." if across else ""
    verdict = f" {audits.verdict(audit.shortcuts)}" if len(audit.shortcuts) else ""
    return f"{told} {usable:,} of {len(manifest):,} images can be used.{leak}{verdict}"


def _folds(rows: pd.DataFrame, torn: int, off: float) -> tuple[Block, ...]:
    counts = audits.class_counts(rows, "fold")
    blocks: list[Block] = []
    if torn:
        blocks.append(Text("A model is tested on images that it has nearly seen. Make the folds again.", warning=True))
    if off > UNEVEN:
        text = f"One fold is {100 * off:.1f} points off the overall share of fakes: large groups allow no better split."
        blocks.append(Text(text, warning=True))
    return *blocks, _table(rows, counts)


def _table(rows: pd.DataFrame, counts: pd.DataFrame) -> Table:
    by = rows.groupby("fold")
    frame = counts.assign(
        fake_share=by["target"].apply(lambda target: (target == 1).mean()),
        groups=by["group"].nunique(),
        largest_group=by["group"].apply(lambda group: group.value_counts().max()),
    )
    frame.insert(0, "fold", frame.index.astype(str))  # text, so aligned to the left
    return table(frame, "Counts of each fold", "A group is never split between folds.", {"fake_share": ".1%"})


def _clusters(rows: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    if "cluster" not in rows:
        return ()
    fakes = rows[(rows["target"] == 1) & (rows["cluster"] >= 0)].sort_values(["cluster", "id"])
    by = fakes.groupby("cluster")
    frame = pd.DataFrame({"fold": by["fold"].first(), "fakes": by.size(), "groups": by["group"].nunique()})
    frame.insert(0, "cluster", frame.index.astype(str))  # text, so aligned to the left
    found = table(frame, "Clusters", "One fold holds out all fakes of a cluster.")
    if folder is None:
        return (found,)
    shown = fakes[fakes["cluster"] < CLUSTERS].groupby("cluster").head(FACES)
    shown = shown.assign(note="cluster " + shown["cluster"].astype(str))
    caption = "Fakes of one cluster should look made in one way. If they only share a pose, use other features."
    return found, images.sheet(shown, folder, "Examples of each cluster", caption)


def _groups(rows: pd.DataFrame) -> tuple[Block, ...]:
    sizes = rows["group"].value_counts().value_counts().sort_index()
    frame = pd.DataFrame({"images in the group": sizes.index.astype(str), "groups": sizes.to_numpy()})
    caption = "A very large group often means that small steps chained different images."
    return (table(frame, "Group sizes", caption, limit=20),)
