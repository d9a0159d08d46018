"""The page of a scan: what the folder holds, what is broken, and what would mislead a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ffdi.report import images, plots, shortcuts
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Section, Text, provenance
from ffdi.report.style import LABELS
from ffdi.report.table import capital, counted, percent, table, volume

if TYPE_CHECKING:  # only the tables are needed, not the code that makes them
    from ffdi.data.audit import Audit

KIND = ["split_a", "target_a", "split_b", "target_b"]
SHEETS, PAIRS, DEFECTS = 6, 4, 14  # kinds of near-duplicates shown, pairs of each, broken images


def page(manifest: pd.DataFrame, audit: "Audit", folder: Path | None, inputs: Mapping[str, str]) -> Page:
    """Return the page.

    Args:
        manifest: One row an image, as stored.
        audit: The tables of `data.audit`.
        folder: Where the manifest's relpath starts; None leaves the image sheets out.
        inputs: Digests by name, for the foot.
    """
    return Page(
        title=f"Scan of {counted(len(manifest), 'image')}",
        headline=_headline(manifest, audit),
        facts=_facts(manifest, audit),
        sections=(
            Section("Images", (*_images(manifest), *_defects(manifest, folder))),
            Section("Shortcuts", _shortcuts(audit)),
            Section("Shifts between splits", _shifts(manifest, audit)),
            Section("Duplicates", (*_conflicts(audit), *_duplicates(audit, folder))),
        ),
        provenance=provenance("ffdi folds", inputs),
    )


def class_counts(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return images by `by` (rows, in order of appearance) and label word (columns); empty labels are left out."""
    counts = pd.crosstab(rows[by], rows["target"].map(LABELS)).reindex(list(dict.fromkeys(rows[by])))
    return counts[[word for word in ("original", "fake", "unlabelled") if word in counts.columns]]


def _headline(manifest: pd.DataFrame, audit: "Audit") -> str:
    bad = int((manifest["status"] == "quarantined").sum())
    pairs = pd.concat([audit.exact, audit.near])
    crossing = int(pairs.loc[pairs["split_a"] != pairs["split_b"], "pairs"].sum())
    leak = f" Near-duplicate pairs across splits: {crossing:,}." if crossing else ""
    verdict = f" {shortcuts.verdict(audit.shortcuts)}" if len(audit.shortcuts) else ""
    return f"{len(manifest) - bad:,} of {len(manifest):,} images can be used.{leak}{verdict}"


def _facts(manifest: pd.DataFrame, audit: "Audit") -> tuple[Fact, ...]:
    status = manifest["status"].value_counts()
    train = manifest[(manifest["split"] == "train") & (manifest["target"] >= 0)]
    facts = [
        Fact("images", f"{len(manifest):,}", volume(int(manifest["bytes"].sum()))),
        Fact("repaired", f"{status.get('repaired', 0):,}", "used like the others"),
        Fact("quarantined", f"{status.get('quarantined', 0):,}", "not trained on"),
        Fact("fake in train", percent((train["target"] == 1).mean()), f"{len(train):,} labelled images"),
    ]
    if len(audit.shortcuts):
        found = shortcuts.strongest(audit.shortcuts)
        note = f"{shortcuts.name_of(found['feature'])}, {found['split']}"
        facts.append(Fact("strongest shortcut", f"{found['auc']:.3f}", note))
    return tuple(facts)


def _images(manifest: pd.DataFrame) -> tuple[Block, ...]:
    counts = class_counts(manifest, "split")
    status = pd.crosstab(manifest["split"], manifest["status"]).reindex(counts.index)
    status = status.reindex(columns=["ok", "repaired", "quarantined"], fill_value=0)
    frame = pd.concat([counts, status], axis=1).reset_index(names="split")
    return embed(plots.class_bars(counts), "Classes by split"), table(frame, "Images of each split")


def _defects(manifest: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    broken = manifest[manifest["defect"] != ""]
    if broken.empty:
        return ()
    by = broken.groupby(["status", "defect", "split"])
    frame = by.agg(images=("id", "size"), example=("relpath", "min")).reset_index()
    blocks: list[Block] = [table(frame, "Defects", "Repaired images are used; quarantined images are not trained on.")]
    lost = int(((broken["split"] == "test") & (broken["status"] == "quarantined")).sum())
    if lost:
        blocks.insert(0, Text(f"{counted(lost, 'test image')} cannot be read and will get a middle score.", True))
    if folder is not None:
        first = by.head(2).sort_values(["status", "defect", "split", "id"]).head(DEFECTS)
        rows = first.assign(note=first["split"] + ", " + first["defect"])
        blocks.append(images.sheet(rows, folder, "Images with defects", "As the kit decodes them."))
    return tuple(blocks)


def _shortcuts(audit: "Audit") -> tuple[Block, ...]:
    if audit.shortcuts.empty:
        return ()
    text = "AUC of each property alone, fakes above originals. A model can use a property far from 0.5."
    pictures = [
        shortcuts.picture(rows, f"In {split}", "fakes", int(rows["real"].iloc[0]), int(rows["fake"].iloc[0]))
        for split, rows in audit.shortcuts.groupby("split", sort=False)
    ]
    return Text(text), *pictures


def _shifts(manifest: pd.DataFrame, audit: "Audit") -> tuple[Block, ...]:
    usable = manifest.loc[manifest["status"] != "quarantined", "split"].value_counts().to_dict()
    pictures = [
        shortcuts.picture(rows, f"From {low} to {high}", str(high), usable[low], usable[high])
        for (low, high), rows in audit.shifts.groupby(["split_a", "split_b"], sort=False)
    ]
    text = "How well each property alone separates two splits. Far from 0.5, a score on one says less about the other."
    return (Text(text), *pictures) if pictures else ()


def _conflicts(audit: "Audit") -> tuple[Block, ...]:
    if audit.conflicts.empty:
        return ()
    count = audit.conflicts["sha256"].nunique()
    text = f"{counted(count, 'file')} labelled both fake and original: no model can be right about both."
    frame = audit.conflicts.assign(label=audit.conflicts["target"].map(LABELS))[["id", "split", "label", "sha256"]]
    return Text(text, warning=True), table(frame, "The same bytes with both labels", limit=20)


def _duplicates(audit: "Audit", folder: Path | None) -> list[Block]:
    """Count the kinds of pairs and show examples; pairs across splits or labels first, because they mislead."""
    blocks: list[Block] = []
    for pairs, title, caption in (
        (audit.exact, "Equal files", "Pairs of files with the same bytes."),
        (audit.near, "Near-duplicates", "Pairs of different files with similar perceptual hashes."),
    ):
        if len(pairs):
            frame = pd.DataFrame({"between": _words(pairs), "pairs": pairs["pairs"]})
            blocks.append(table(frame.sort_values("pairs", ascending=False), title, caption))
    near = audit.near.assign(same=(audit.near[KIND[:2]].to_numpy() == audit.near[KIND[2:]].to_numpy()).all(axis=1))
    kinds = near.sort_values(["same", "pairs"], ascending=[True, False], kind="stable")
    for kind in kinds.head(SHEETS if folder else 0).to_dict("records"):
        mine = audit.examples[(audit.examples[KIND] == [kind[name] for name in KIND]).all(axis=1)].head(PAIRS)
        if folder and len(mine):
            blocks.append(images.pair_sheet(mine, folder, capital(_words(mine).iloc[0]), "Examples."))
    return blocks


def _words(pairs: pd.DataFrame) -> pd.Series:
    """Return 'train fake and test unlabelled' for each kind of pair."""
    first = pairs["split_a"] + " " + pairs["target_a"].map(LABELS)
    return first + " and " + pairs["split_b"] + " " + pairs["target_b"].map(LABELS)
