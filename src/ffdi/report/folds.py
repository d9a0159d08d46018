"""The page of folds: what the folder holds, what would mislead a model, and whether the folds can be trusted."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.data.audit import Audit
from ffdi.data.folds import TRAINED_ONLY
from ffdi.metrics.delong import LEVEL, quantile
from ffdi.report import images, plots
from ffdi.report.page import Block, Page, Section, Text, provenance
from ffdi.report.plots import embed
from ffdi.report.table import LABELS, Table, capital, counted, table

CLUSTERS, FACES = 12, 3  # clusters of fakes on the sheet, images of each
NAMES = {"bytes": "file size", "aspect": "aspect ratio", "jpeg_q": "JPEG quality", "mode": "colour mode"}
STRONG = 0.65  # AUC from which a shortcut alone makes a detector
HARMLESS = 0.05  # distance from 0.5 that hardly helps a model


def page(manifest: pd.DataFrame, audit: Audit, folds: pd.DataFrame, folder: Path, inputs: Mapping[str, str]) -> Page:
    """Return the page.

    Args:
        manifest: One row an image, as stored.
        audit: The tables of `data.audit`.
        folds: Columns id, split, group, fold and, for the scheme "cluster", cluster (-1 for none).
        folder: Where the manifest's relpath starts.
        inputs: Digests by name, for the foot.
    """
    rows = folds.merge(manifest, on=["id", "split"], how="left", validate="one_to_one").sort_values(["fold", "id"])
    held = rows.loc[rows["fold"] != TRAINED_ONLY, "fold"]
    return Page(
        title=f"{counted(held.nunique(), 'fold')} of {counted(len(held), 'image')}",
        headline=_headline(manifest, audit, rows),
        sections=(
            Section("Folds", (_folds(rows),)),
            Section("Clusters of fakes", _clusters(rows, folder)),
            Section("Images", (*_images(manifest), *_defects(manifest))),
            Section("Shortcuts", tuple(_shortcuts(audit))),
            Section("Duplicates", (*_conflicts(audit), *_duplicates(audit))),
        ),
        provenance=provenance("ffdi folds", inputs),
    )


def _headline(manifest: pd.DataFrame, audit: Audit, rows: pd.DataFrame) -> str:
    grouped = "No near-duplicate group is split over folds."
    told = "No near-duplicates were found." if rows["group"].is_unique else grouped
    usable = int((manifest["status"] != "quarantined").sum())
    across = int(audit.pairs.loc[audit.pairs["split_a"] != audit.pairs["split_b"], "pairs"].sum())
    leak = f" Near-duplicate pairs across splits: {across:,}." if across else ""
    told_apart = f" {verdict(audit.shortcuts)}" if len(audit.shortcuts) else ""
    return f"{told} {usable:,} of {len(manifest):,} images can be used.{leak}{told_apart}"


def _folds(rows: pd.DataFrame) -> Table:
    by = rows.groupby("fold")
    frame = class_counts(rows, "fold").assign(
        fake_share=by["target"].apply(lambda target: (target == 1).mean()),
        groups=by["group"].nunique(),
        largest_group=by["group"].apply(lambda group: group.value_counts().max()),
    )
    frame.insert(0, "fold", ["none" if fold == TRAINED_ONLY else str(fold) for fold in frame.index])
    return table(frame, "Counts of each fold", "Images without a fold are only trained on.", {"fake_share": ".1%"})


def _clusters(rows: pd.DataFrame, folder: Path) -> tuple[Block, ...]:
    if "cluster" not in rows:
        return ()
    fakes = rows[(rows["target"] == 1) & (rows["cluster"] >= 0)].sort_values(["cluster", "id"])
    by = fakes.groupby("cluster")
    frame = pd.DataFrame({"fold": by["fold"].first(), "fakes": by.size(), "groups": by["group"].nunique()})
    frame.insert(0, "cluster", frame.index.astype(str))  # text, so aligned to the left
    found = table(frame, "Clusters", "One fold holds out all fakes of a cluster.")
    shown = fakes[fakes["cluster"] < CLUSTERS].groupby("cluster").head(FACES)
    shown = shown.assign(note="cluster " + shown["cluster"].astype(str))
    caption = "Fakes of one cluster should look made in one way. If they only share a pose, use other features."
    return found, images.sheet(shown, folder, "Examples of each cluster", caption)


def class_counts(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return images by `by` (rows, in order of appearance) and label word (columns); empty labels are left out."""
    counts = pd.crosstab(rows[by], rows["target"].map(LABELS)).reindex(list(dict.fromkeys(rows[by])))
    return counts[[word for word in ("original", "fake", "unlabelled") if word in counts.columns]]


def verdict(rows: pd.DataFrame) -> str:
    """Return one sentence about the property that separates most beyond chance (split, feature, auc, real, fake)."""
    looks = len(rows)
    beyond = [abs(row["auc"] - 0.5) - chance(row["real"], row["fake"], looks) for row in rows.to_dict("records")]
    found = rows.iloc[int(np.nanargmax(beyond))].to_dict()
    name, reach = name_of(found["feature"]), max(found["auc"], 1 - found["auc"])
    if reach - 0.5 <= max(HARMLESS, chance(found["real"], found["fake"], looks)):
        return f"No measured file property separates fakes from originals (most: {name}, AUC {found['auc']:.2f})."
    weak, strong = "part of any score may come from it", "a model can score with it and learn nothing about forgery"
    meaning = weak if reach < STRONG else strong
    return f"{capital(name)} alone separates fakes from originals in {found['split']} with AUC {reach:.2f}: {meaning}."


def chance(low: int, high: int, looks: int = 1) -> float:
    """Return half the width of the interval that holds 95% of the AUCs of a meaningless number (Mann-Whitney).

    Args:
        low: Images of one class.
        high: Images of the other.
        looks: Such numbers whose AUCs all shall lie in it at 95% (Bonferroni).
    """
    if not low or not high:
        return math.inf
    return quantile(1 - (1 - LEVEL) / looks) * math.sqrt((low + high + 1) / (12 * low * high))


def name_of(feature: str) -> str:
    """Return the words for a column of the audit."""
    return NAMES.get(feature, feature.replace("_", " "))


def _images(manifest: pd.DataFrame) -> tuple[Block, ...]:
    counts = class_counts(manifest, "split")
    status = pd.crosstab(manifest["split"], manifest["status"]).reindex(counts.index)
    status = status.reindex(columns=["ok", "repaired", "quarantined"], fill_value=0)
    frame = pd.concat([counts, status], axis=1).reset_index(names="split")
    return (table(frame, "Images of each split"),)


def _defects(manifest: pd.DataFrame) -> tuple[Block, ...]:
    broken = manifest[manifest["defect"] != ""]
    if broken.empty:
        return ()
    by = broken.groupby(["status", "defect", "split"])
    frame = by.agg(images=("id", "size"), example=("relpath", "min")).reset_index()
    blocks: list[Block] = [table(frame, "Defects", "Repaired images are used; quarantined images are not trained on.")]
    lost = int(((broken["split"] == "test") & (broken["status"] == "quarantined")).sum())
    if lost:
        blocks.insert(0, Text(f"{counted(lost, 'test image')} cannot be read and will get a middle score.", True))
    return tuple(blocks)


def _shortcuts(audit: Audit) -> Iterator[Block]:
    """Show how well each property separates the classes of each split."""
    if len(audit.shortcuts):
        yield Text("AUC of each property alone, fakes above originals. A model can use a property far from 0.5.")
    for split, rows in audit.shortcuts.groupby("split", sort=False):
        band = chance(int(rows["real"].iloc[0]), int(rows["fake"].iloc[0]))
        figure = plots.dots(rows.assign(name=rows["feature"].map(name_of)), "AUC", line=0.5, band=band)
        yield embed(figure, f"In {split}", f"Right of 0.5: higher in fakes. Grey band: 95% of chance (±{band:.3f}).")


def _conflicts(audit: Audit) -> tuple[Block, ...]:
    if audit.conflicts.empty:
        return ()
    count = audit.conflicts["sha256"].nunique()
    text = f"{counted(count, 'file')} labelled both fake and original: no model can be right about both."
    frame = audit.conflicts.assign(label=audit.conflicts["target"].map(LABELS))[["id", "split", "label", "sha256"]]
    return Text(text, warning=True), table(frame, "The same bytes with both labels", limit=20)


def _duplicates(audit: Audit) -> tuple[Block, ...]:
    """Count the pairs by split and label: pairs across splits make a score on the other split too high."""
    pairs = audit.pairs
    if pairs.empty:
        return ()
    first = pairs["split_a"] + " " + pairs["target_a"].map(LABELS)
    words = first + " and " + pairs["split_b"] + " " + pairs["target_b"].map(LABELS)
    frame = pd.DataFrame({"between": words, "pairs": pairs["pairs"], "of equal bytes": pairs["equal"]})
    caption = "Pairs of near-duplicates: equal bytes, or similar perceptual hashes."
    return (table(frame.sort_values("pairs", ascending=False), "Near-duplicates", caption),)
