"""The page of a scan: what is in the folder, what is broken, and what would lead a model astray."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ffdi.report import contact, plots, shortcuts
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Gallery, Page, Picture, Section, Text
from ffdi.report.style import LABELS
from ffdi.report.table import Table, counted, percent, table, volume

if TYPE_CHECKING:  # the page needs the tables, not what makes them
    from ffdi.data.audit import Audit

KIND = ["split_a", "target_a", "split_b", "target_b"]
PROPERTIES = {
    "bytes": ("file size", "kB", 1e-3), "jpeg_q": ("JPEG quality", "estimated, 1 to 100", 1),
    "pixels": ("image size", "megapixels", 1e-6), "sharpness": ("sharpness", "Laplacian over contrast", 1),
    "mean_grey": ("mean grey", "0 to 255", 1), "colourfulness": ("colourfulness", "Hasler and Süsstrunk", 1),
}  # fmt: skip  # column: name, unit, factor
SHEETS, PAIRS = 6, 4  # contact sheets of near-duplicates, pairs in each


def page(
    manifest: pd.DataFrame,
    audit: "Audit",
    folder: Path | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Page:
    """`folder`: where the manifest's relpath starts, for the contact sheets; None leaves them out."""
    sections = (
        Section("Images", (*_images(manifest), *_defects(manifest, folder))),
        Section("Shortcuts", _shortcuts(audit)),
        Section("Properties by label", _properties(manifest)),
        Section("Shifts between splits", _shifts(manifest, audit)),
        Section("Duplicates", (*_conflicts(audit), *_duplicates(audit))),
        Section("Near-duplicates to look at", _sheets(audit, folder)),
    )
    return Page(
        title=f"Scan of {counted(len(manifest), 'image')}",
        headline=_headline(manifest, audit),
        facts=_facts(manifest, audit),
        sections=tuple(section for section in sections if section.blocks),
        provenance=provenance or {},
    )


def _headline(manifest: pd.DataFrame, audit: "Audit") -> str:
    bad = int((manifest["status"] == "quarantined").sum())
    usable = f"All {len(manifest):,} images" if not bad else f"{len(manifest) - bad:,} of {len(manifest):,} images"
    told = f"{usable} can be used" + (f", {bad:,} {'is' if bad == 1 else 'are'} quarantined" if bad else "")
    crossing = _crossing(audit)
    verb = "lies" if crossing == 1 else "lie"
    leak = f", and {counted(crossing, 'near-duplicate pair')} {verb} across splits" if crossing else ""
    verdict = f" {shortcuts.verdict(audit.shortcuts)}" if len(audit.shortcuts) else ""
    return f"{told}{leak}.{verdict}"


def _crossing(audit: "Audit") -> int:
    """Pairs, equal or near, whose two images are in different splits."""
    pairs = pd.concat([audit.exact, audit.near])
    return int(pairs.loc[pairs["split_a"] != pairs["split_b"], "pairs"].sum())


def _facts(manifest: pd.DataFrame, audit: "Audit") -> tuple[Fact, ...]:
    status = manifest["status"].value_counts()
    train = manifest[(manifest["split"] == "train") & (manifest["target"] >= 0)]
    facts = [
        Fact("images", f"{len(manifest):,}", volume(int(manifest["bytes"].sum()))),
        Fact("repaired", f"{status.get('repaired', 0):,}", "used like the rest"),
        Fact("quarantined", f"{status.get('quarantined', 0):,}", "kept out of training"),
        Fact("fake in train", percent((train["target"] == 1).mean()), f"{len(train):,} labelled images"),
    ]
    if len(audit.shortcuts):
        found = shortcuts.strongest(audit.shortcuts)
        note = f"{shortcuts.name_of(found['feature'])}, {found['split']}"
        facts.append(Fact("strongest shortcut", f"{found['auc']:.3f}", note))
    return tuple(facts)


def _images(manifest: pd.DataFrame) -> tuple[Block, ...]:
    words = manifest["target"].map(LABELS)
    splits = list(dict.fromkeys(manifest["split"]))
    counts = pd.crosstab(manifest["split"], words).reindex(splits)
    counts = counts[[word for word in ("original", "fake", "unlabelled") if word in counts.columns]]
    told = [f"{split} {row['fake']:,} fake" for split, row in counts.iterrows() if "fake" in row]
    status = pd.crosstab(manifest["split"], manifest["status"]).reindex(splits)
    status = status.reindex(columns=["ok", "repaired", "quarantined"], fill_value=0)
    frame = pd.concat([pd.Series(splits, index=splits, name="split"), counts, status], axis=1)
    return (
        embed(plots.class_bars(counts), "Classes by split", f"Images by label and split; {', '.join(told)}"),
        table(frame, "Images of each split"),
    )


def _defects(manifest: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    broken = manifest[manifest["defect"] != ""]
    if broken.empty:
        return ()
    by = broken.groupby(["status", "defect", "split"])
    frame = by.agg(images=("id", "size"), example=("relpath", "min")).reset_index()
    frame = frame.sort_values(["status", "images", "defect", "split"], ascending=[True, False, True, True])
    blocks: list[Block] = [table(frame, "Defects", "Repaired images are used; quarantined ones are not trained on.")]
    lost = broken[(broken["split"] == "test") & (broken["status"] == "quarantined")]
    if len(lost):
        text = f"{counted(len(lost), 'test image')} cannot be read and will be predicted with the prior."
        blocks.insert(0, Text(text, warning=True))
    if folder is not None:
        first = by.head(2).sort_values(["status", "defect", "split", "id"])
        first = first.assign(note=first["split"] + ", " + first["defect"])
        blocks.append(contact.error_sheet(first, folder, "Images with defects", "As the kit decodes them.", most=14))
    return tuple(blocks)


def _shortcuts(audit: "Audit") -> tuple[Block, ...]:
    pictures = [
        shortcuts.picture(rows, f"In {split}", "fakes", int(rows["real"].iloc[0]), int(rows["fake"].iloc[0]))
        for split, rows in audit.shortcuts.groupby("split", sort=False)
    ]
    if not pictures:
        return ()
    text = "AUC of fakes above originals for each property alone. What lies far from 0.5 can be learned for forgeries."
    frame = audit.shortcuts.assign(feature=audit.shortcuts["feature"].map(shortcuts.name_of))
    names = {"median_real": "median, originals", "median_fake": "median, fakes"}
    frame = frame[["feature", "split", "auc", *names]]
    return (Text(text), *pictures, table(frame, "Shortcuts", formats={"auc": ".3f"}, names={"auc": "AUC", **names}))


def _properties(manifest: pd.DataFrame) -> tuple[Picture, ...]:
    """Histograms over the labelled images of the training split and the unlabelled ones of the test."""
    usable = manifest[manifest["status"] != "quarantined"]
    usable = usable[((usable["split"] == "train") & (usable["target"] >= 0)) | (usable["target"] < 0)]
    usable = usable.assign(pixels=usable["width"].astype("int64") * usable["height"])
    pictures = []
    for column, (name, unit, factor) in PROPERTIES.items():
        rows = usable if column != "jpeg_q" else usable[usable["jpeg_q"] > 0]
        if column in rows.columns and rows[column].nunique() > 1:
            values = rows[column].astype("float64") * factor
            medians = values.groupby(rows["target"].map(LABELS)).median()
            alt = f"{name} by label: " + ", ".join(f"median {value:,.4g} for {word}" for word, value in medians.items())
            figure = plots.histogram(values.to_numpy(), rows["target"].to_numpy(), f"{name} ({unit})", log=True)
            pictures.append(embed(figure, name[0].upper() + name[1:], alt))
    return tuple(pictures)


def _shifts(manifest: pd.DataFrame, audit: "Audit") -> tuple[Block, ...]:
    usable = manifest.loc[manifest["status"] != "quarantined", "split"].value_counts().to_dict()
    pictures = []
    for _, rows in audit.shifts.groupby(["split_a", "split_b"], sort=False):
        low, high = str(rows["split_a"].iloc[0]), str(rows["split_b"].iloc[0])
        pictures.append(shortcuts.picture(rows, f"From {low} to {high}", high, usable[low], usable[high]))
    text = (
        "How well each property alone tells two splits apart. Far from 0.5 they were made differently, and a score on "
        "one says less about the other."
    )
    return (Text(text), *pictures) if pictures else ()


def _conflicts(audit: "Audit") -> tuple[Block, ...]:
    if audit.conflicts.empty:
        return ()
    count = audit.conflicts["sha256"].nunique()
    verb = "stands" if count == 1 else "stand"
    text = (
        f"{counted(count, 'file')} {verb} in the data both as fake and as original: no model can be right about both."
    )
    frame = audit.conflicts.assign(label=audit.conflicts["target"].map(LABELS))[["id", "split", "label", "sha256"]]
    return (Text(text, warning=True), table(frame, "The same bytes with both labels", most=20))


def _duplicates(audit: "Audit") -> tuple[Table, ...]:
    tables = []
    for pairs, title, caption in (
        (audit.exact, "Equal files", "Pairs of files with the same bytes."),
        (audit.near, "Near-duplicates", "Pairs of different files whose perceptual hashes are close."),
    ):
        if len(pairs):
            frame = pd.DataFrame({"pair": _words(pairs), "pairs": pairs["pairs"]}).sort_values("pairs", ascending=False)
            tables.append(table(frame, title, caption, names={"pair": "between"}))
    return tuple(tables)


def _sheets(audit: "Audit", folder: Path | None) -> tuple[Gallery, ...]:
    """The commonest kinds of near-duplicates, those between splits or labels first: they are what can mislead."""
    if folder is None or audit.examples.empty:
        return ()
    kinds = audit.near.assign(
        within=(audit.near["split_a"] == audit.near["split_b"]) & (audit.near["target_a"] == audit.near["target_b"])
    ).sort_values(["within", "pairs"], ascending=[True, False], kind="stable")
    sheets = []
    for kind in kinds.head(SHEETS).to_dict("records"):
        mine = (audit.examples[KIND] == [kind[name] for name in KIND]).all(axis=1)
        pairs = audit.examples[mine].rename(columns={"bits": "distance"})
        title = _words(pairs.head(1)).iloc[0]
        sheets.append(contact.pair_sheet(pairs, folder, title, f"{counted(kind['pairs'], 'pair')} in all.", PAIRS))
    return tuple(sheets)


def _words(pairs: pd.DataFrame) -> pd.Series:
    """'train fake and test unlabelled' for each kind of pair."""
    first = pairs["split_a"] + " " + pairs["target_a"].map(LABELS)
    return first + " and " + pairs["split_b"] + " " + pairs["target_b"].map(LABELS)
