"""The page of a blend: which submission to send, and what score to expect."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.blending import advice
from ffdi.blending.card import tables
from ffdi.metrics.delong import Interval, delong_paired
from ffdi.report import estimates, images, plots
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Picture, Section, provenance
from ffdi.report.style import shorten
from ffdi.report.table import Table, counted, interval, intervals, spread, table
from ffdi.report.train import error_sheets, fold_picture, roc_pictures

BLEND = "blend"  # name of the blend's row and column
WORST, DISPUTED = 7, 14  # images on the sheets


def page(card: Mapping[str, Any], oof: pd.DataFrame, file: str, folder: Path) -> Page:
    """Return the page of one blend.

    Args:
        card: The blend card, as it lies beside the submission.
        oof: Columns id, target, relpath, and the OOF score under the name of each member and of 'blend'.
        file: The submission to send.
        folder: Where relpath starts. The page has no image sheets if the images are not there.
    """
    members, folds = tables(card)
    measured = members[members["auc"].notna()]
    team = measured[measured["name"] != BLEND].sort_values("auc", ascending=False)
    best = str(team["name"].iloc[0]) if len(team) else ""
    gain = delong_paired(oof["target"], oof[BLEND], oof[best]) if best and BLEND in oof else None
    first = folder / str(oof["relpath"].iloc[0]) if len(oof) else folder
    shown = folder if first.is_file() else None
    digests = {
        "submission": card["submission"]["sha256"],
        "recipe": card["recipe"]["digest"],
        "manifest": card["manifest"],
        "folds": card["folds"]["digest"],
    }
    sections = (
        estimates.what_to_send(card, file),
        Section("Blend and members", (*_ranking(measured, oof), _summary(members))),
        estimates.nested_cv(card),
        estimates.forecast(card, shown),
        Section("How members differ", _differences(team, folds, oof, shown)),
        Section("Scores", (*_histogram(oof), *_errors(oof, shown))),
    )
    return Page(
        title=f"Blend of {counted(len(members) - 1, 'member')}",
        headline=_headline(members, best, gain, file, len(oof), card["forecast"]),
        facts=_facts(members, best, gain, oof),
        sections=sections,
        provenance=provenance("ffdi blend", digests),
    )


def _headline(
    members: pd.DataFrame, best: str, gain: Interval | None, file: str, rows: int, forecast: Mapping[str, Any] | None
) -> str:
    blend = members[members["name"] == BLEND].iloc[0]
    count = int((members["weight"] > 0).sum())
    start = f"Send {file}, the blend of {counted(count, 'member')}"
    if gain is None:
        return f"{start}. It has no OOF score, because every member was trained on all rows."
    told = (
        f"{start}. Nested AUC on {rows:,} images that its models had not seen: {blend['auc']:.4f} (95% interval "
        f"{interval(blend['low'], blend['high'])}). {comparison(best, count, gain)}"
    )
    val = blend["val_auc"]
    if np.isfinite(val):
        told += f" AUC on the official validation images: {val:.4f}."
    return f"{told} {advice.expected(forecast)}" if forecast else told


def comparison(best: str, count: int, gain: Interval) -> str:
    """Return a sentence that compares a blend with its best member.

    Args:
        best: Name of the best member.
        count: Members of the blend.
        gain: AUC of the blend less that of the best member.
    """
    if count == 1:
        return "It has one member only."
    if gain.low == gain.high:
        return f"Its OOF AUC is exactly that of {best}."
    if gain.low > 0:
        return f"It is better than its best member {best} by {gain.value:.4f}, beyond noise."
    if gain.high < 0:
        return f"It is worse than {best} alone by {-gain.value:.4f}, beyond noise: send {best} alone."
    return f"Noise cannot separate it from its best member {best} ({gain.value:+.4f})."


def _facts(members: pd.DataFrame, best: str, gain: Interval | None, oof: pd.DataFrame) -> tuple[Fact, ...]:
    blend = members[members["name"] == BLEND].iloc[0]
    facts = []
    if gain is not None:
        fakes = int((oof["target"] == 1).sum())
        facts += [
            Fact("nested AUC of the blend", f"{blend['auc']:.4f}", interval(blend["low"], blend["high"])),
            Fact(f"gain over {best}", f"{gain.value:+.4f}", interval(gain.low, gain.high, "+.4f")),
            Fact("OOF images", f"{len(oof):,}", f"{fakes:,} fake, {len(oof) - fakes:,} original"),
        ]
    if np.isfinite(blend["val_auc"]):
        facts.insert(2, Fact("validation AUC", f"{blend['val_auc']:.4f}", "official validation split"))
    return tuple(facts)


def _ranking(measured: pd.DataFrame, oof: pd.DataFrame) -> tuple[Picture, ...]:
    if measured.empty:
        return ()
    rows = _ordered(measured)
    figure = plots.dots(
        rows["name"].tolist(), [plots.Dots(rows, "auc", "low", "high")], "OOF AUC (bars: 95% interval)", numbers=True
    )
    curves = {name: (oof["target"].to_numpy(), oof[name].to_numpy()) for name in rows["name"]}
    return embed(figure, "OOF AUC"), *roc_pictures(curves)


def _summary(members: pd.DataFrame) -> Table:
    rates = [name for name in members.columns if name.startswith("tpr_")]
    rows = _ordered(members)
    frame = rows[["name", "weight", "auc"]].assign(
        interval=intervals(rows),
        folds=[spread(mean, sd) for mean, sd in zip(rows["mean"], rows["sd"], strict=True)],
        val_auc=rows["val_auc"], **{rate: rows[rate] for rate in rates},
    )  # fmt: skip
    names = {"name": "member", "auc": "OOF AUC", "interval": "95% interval", "folds": "folds, mean ± sd"}
    names |= {"val_auc": "validation AUC", **{rate: rate.replace("tpr_", "TPR at ") for rate in rates}}
    formats = {"auc": ".4f", "val_auc": ".4f", "weight": ".3f"} | dict.fromkeys(rates, ".3f")
    caption = (
        "OOF AUC: scores are ranked inside each fold, then pooled; that of the blend is nested. Intervals count "
        "near-duplicates as one. TPR: share of fakes found at this false-positive rate."
    )
    return table(frame, "The blend, then its members, best first", caption, formats, names, limit=120)


def _differences(team: pd.DataFrame, folds: pd.DataFrame, oof: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    names = list(team["name"])
    order = {name: place for place, name in enumerate([BLEND, *names])}
    rows = folds[folds["auc"].notna() & folds["name"].isin(order)]
    rows = rows.sort_values("name", key=lambda column: column.map(order), kind="stable")
    blocks: list[Block] = [fold_picture(rows)] if len(rows) else []
    if len(names) < 2:
        return tuple(blocks)
    matrix = oof[names].corr("spearman")
    apart = matrix.to_numpy() + 2 * np.eye(len(names))
    first, second = (names[place] for place in np.unravel_index(apart.argmin(), apart.shape))
    least = float(apart.min())
    caption = f"{first} and {second} differ most ({least:.2f}). A member near 1 adds little."
    figure = plots.heat(matrix, min(np.floor(20 * least) / 20, 0.95), 1)
    blocks.append(embed(figure, "Rank correlation of members", caption))
    return (*blocks, _disputed(names, oof, folder)) if folder else tuple(blocks)


def _disputed(names: list[str], oof: pd.DataFrame, folder: Path) -> Block:
    """Show the images on which members disagree most, with the lowest and the highest rank."""
    ranks = oof[names].rank(pct=True)
    order = ranks.assign(spread=ranks.std(axis=1), id=oof["id"]).sort_values(["spread", "id"], ascending=[False, True])
    rows, ranks = oof.loc[order.index[:DISPUTED]], ranks.loc[order.index[:DISPUTED]]
    ends = zip(ranks.idxmin(axis=1), ranks.min(axis=1), ranks.idxmax(axis=1), ranks.max(axis=1), strict=True)
    notes = [f"{shorten(str(low), 14)} {a:.0%}, {shorten(str(high), 14)} {b:.0%}" for low, a, high, b in ends]
    caption = "The members with the lowest and the highest rank. 0%: most original, 100%: most fake."
    return images.sheet(rows.assign(note=notes), folder, "Where members disagree most", caption)


def _histogram(oof: pd.DataFrame) -> tuple[Picture, ...]:
    if BLEND not in oof:
        return ()
    figure = plots.histogram(oof[BLEND].to_numpy(), oof["target"].to_numpy(), "OOF score of the blend")
    return (embed(figure, "Blend scores by label", "Where the two overlap, the blend makes errors."),)


def _errors(oof: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    if folder is None or BLEND not in oof:
        return ()
    rows = oof.assign(score=oof[BLEND], note="score " + oof[BLEND].map("{:.3f}".format))
    return error_sheets(rows, folder, WORST)


def _ordered(members: pd.DataFrame) -> pd.DataFrame:
    """Return the blend first, then members by OOF AUC."""
    return members.assign(last=members["name"] != BLEND).sort_values(["last", "auc"], ascending=[True, False])
