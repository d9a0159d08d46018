"""The page of folds: whether they can be trusted, and the near-duplicates that decide it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.report import clusters, contact, plots, shortcuts
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Picture, Section, Text
from ffdi.report.style import LABELS
from ffdi.report.table import Table, counted, percent, table

MOST_GROUPS = 12  # in the table
UNEVEN = 0.02  # fake share of a fold away from the whole: the limit that fold making asserts


def page(
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    found: pd.DataFrame | None = None,
    folder: Path | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Page:
    """`manifest` and `folds` (id, split, group, fold) as stored.

    `found`: the shortcuts (split, feature, auc, real, fake) of the folded splits, as the audit finds them.
    `folder`: where the manifest's relpath starts, for the contact sheets.
    """
    rows = folds.merge(manifest, on=["id", "split"], how="left", validate="one_to_one")
    split_groups = int((rows.groupby("group")["fold"].nunique() > 1).sum())
    sections = [
        Section("Folds", _folds(rows, split_groups)),
        Section("Near-duplicate groups", _groups(rows)),
        *clusters.sections(rows, folder),
        Section("What else separates the classes", _shortcuts(rows, found)),
        Section("Near-duplicates to look at", _sheets(rows, folder)),
    ]
    return Page(
        title=f"{counted(rows['fold'].nunique(), 'fold')} of {counted(len(rows), 'image')}",
        headline=f"{_verdict(rows, split_groups)} {_stake(rows, split_groups)}",
        facts=_facts(rows),
        sections=tuple(section for section in sections if section.blocks),
        provenance=provenance or {},
    )


def class_counts(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Images by `by` (rows) and label word (columns), original before fake; labels that never occur are left out."""
    words = rows["target"].map(LABELS)
    counts = pd.crosstab(rows[by], words)
    return counts[[word for word in ("original", "fake", "unlabelled") if word in counts.columns]]


def _verdict(rows: pd.DataFrame, split_groups: int) -> str:
    folds = rows["fold"].nunique()
    share, apart = _fake_shares(rows)
    even = f"the fake share of every fold is within {100 * apart:.1f} points of {percent(share)}"
    if split_groups:
        groups = counted(split_groups, "near-duplicate group")
        verb = "stands" if split_groups == 1 else "stand"
        return f"{groups} {verb} in several of the {folds} folds, so OOF AUC will flatter; {even}."
    return f"No near-duplicate group is split over the {folds} folds, and {even}."


def _stake(rows: pd.DataFrame, split_groups: int) -> str:
    together = rows.groupby("group")["id"].transform("size") > 1
    if not together.any():
        return "No near-duplicates were found, so grouped and random folds are equally safe here."
    mixed = rows[together].groupby("group")["target"].nunique().gt(1).sum()
    both = f", and {counted(int(mixed), 'group')} {'holds' if mixed == 1 else 'hold'} both classes" if mixed else ""
    share = 1 - 1 / rows["fold"].nunique()
    remedy = "Use the scheme 'group'." if split_groups else f"Random folds would tear {share:.0%} of such pairs apart."
    return f"{counted(int(together.sum()), 'image')} ({percent(together.mean())}) have a near-duplicate{both}. {remedy}"


def _facts(rows: pd.DataFrame) -> tuple[Fact, ...]:
    sizes, per_fold = rows["group"].value_counts(), rows["fold"].value_counts()
    share, apart = _fake_shares(rows)
    return (
        Fact("images", f"{len(rows):,}", f"{per_fold.min():,} to {per_fold.max():,} a fold"),
        Fact("fake", percent(share), f"at most {100 * apart:.1f} points off in a fold"),
        Fact("groups", f"{len(sizes):,}", f"{int((sizes > 1).sum()):,} of two or more images"),
        Fact("largest group", counted(int(sizes.max()), "image"), f"{percent(sizes.max() / len(rows))} of all"),
    )


def _folds(rows: pd.DataFrame, split_groups: int) -> tuple[Block, ...]:
    counts = class_counts(rows, "fold")
    counts.index = [f"fold {fold}" for fold in counts.index]
    share, apart = _fake_shares(rows)
    alt = f"Images of each class in each fold; the fake share is {percent(share)} overall"
    blocks: list[Block] = [
        embed(plots.class_bars(counts), "Classes in each fold", alt),
        _size_picture(rows),
        _table(rows),
    ]
    if apart > UNEVEN:
        text = f"A fold is {100 * apart:.1f} points off the overall fake share: large groups leave no better cut."
        blocks.insert(0, Text(text, warning=True))
    if split_groups:
        text = (
            f"{counted(split_groups, 'group')} in more than one fold: a model is tested on images it has nearly seen."
        )
        blocks.insert(0, Text(text, warning=True))
    return tuple(blocks)


def _size_picture(rows: pd.DataFrame) -> Picture:
    sizes = rows["group"].value_counts().to_numpy()
    alt = f"{len(sizes):,} groups by how many images they hold; the largest holds {sizes.max():,}"
    return embed(plots.group_sizes(sizes), "Group sizes", alt, "A group is never split between folds.")


def _table(rows: pd.DataFrame) -> Table:
    by = rows.groupby("fold")
    frame = class_counts(rows, "fold")
    frame.insert(0, "images", by.size())
    frame["fake_share"] = by["target"].apply(lambda target: (target == 1).mean())
    frame["groups"] = by["group"].nunique()
    frame["largest_group"] = by["group"].apply(lambda group: group.value_counts().max())
    frame.insert(0, "fold", frame.index.astype(str))  # a name, so set to the left
    return table(frame, "Counts of each fold", formats={"fake_share": ".1%"})


def _groups(rows: pd.DataFrame) -> tuple[Block, ...]:
    sizes = rows["group"].value_counts()
    largest = sizes[sizes > 1].sort_index().sort_values(ascending=False, kind="stable").index[:MOST_GROUPS]
    if largest.empty:
        return (Text("Every image is a group of its own."),)
    if sizes.max() == 2:
        return (Text(f"{counted(int((sizes == 2).sum()), 'group')} of two images; none is larger."),)
    by = rows[rows["group"].isin(largest)].groupby("group")
    frame = pd.DataFrame({
        "images": by.size(), "fold": by["fold"].first(), "original": by["target"].agg(lambda t: (t == 0).sum()),
        "fake": by["target"].agg(lambda t: (t == 1).sum()), "example": by["id"].min(),
    }).loc[largest]  # fmt: skip
    caption = "A huge group often means that loose hash matches chained many images together: see the sheet below."
    return (table(frame.reset_index(), "Largest groups", caption, formats={"group": "d"}),)


def _shortcuts(rows: pd.DataFrame, found: pd.DataFrame | None) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if found is not None and len(found):
        blocks.append(Text(shortcuts.verdict(found)))
        for split, mine in found.groupby("split", sort=False):
            title = f"One property alone, {split}"
            blocks.append(shortcuts.picture(mine, title, "fakes", int(mine["real"].iloc[0]), int(mine["fake"].iloc[0])))
    sizes = {"file size (kB)": rows["bytes"] / 1e3, "image size (megapixels)": rows["width"] * rows["height"] / 1e6}
    for x, values in sizes.items():
        if values.nunique() > 1:
            figure = plots.histogram(values.to_numpy(), rows["target"].to_numpy(), x, log=True)
            medians = values.groupby(rows["target"].map(LABELS)).median()
            alt = f"{x}: " + ", ".join(f"median {value:,.4g} for {word}" for word, value in medians.items())
            blocks.append(embed(figure, x[0].upper() + x[1:].split(" (")[0], alt))
    return tuple(blocks)


def _sheets(rows: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    pairs = contact.nearest_mates(rows)
    if folder is None or pairs.empty:
        return ()
    doubtful = contact.pair_sheet(
        pairs, folder, "Farthest apart", "If these are different pictures, the fold distances are too generous."
    )
    rest = pairs.iloc[12:].iloc[::-1].reset_index(drop=True)
    if rest.empty:
        return (doubtful,)
    return doubtful, contact.pair_sheet(rest, folder, "Nearest", "Copies, or nearly so.", most=6)


def _fake_shares(rows: pd.DataFrame) -> tuple[float, float]:
    """The overall share of fakes, and how far the fold that is farthest from it lies."""
    fake = rows["target"] == 1
    return float(fake.mean()), float(np.abs(fake.groupby(rows["fold"]).mean() - fake.mean()).max())
