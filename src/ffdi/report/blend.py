"""The page of a blend: which submission to send, and what score to expect."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.blending.apply import BLEND
from ffdi.metrics.delong import LEVEL, Interval, gain_interval, group_numbers, placements, quantile
from ffdi.report import estimates, images, plots
from ffdi.report.page import Block, Page, Section, provenance
from ffdi.report.plots import embed
from ffdi.report.table import Table, counted, interval, intervals, shorten, spread, table

WORST = 14  # images on a sheet of errors


def page(card: Mapping[str, Any], oof: pd.DataFrame, file: str, folder: Path) -> Page:
    """Return the page of one blend.

    Args:
        card: The blend card, as it lies beside the submission.
        oof: Columns id, target, relpath, group if known, and the OOF score under the name of each member and of
            'blend'.
        file: The submission to send.
        folder: Where relpath starts. The page has no image sheets if the images are not there.
    """
    members = members_table(card)
    measured = members[members["auc"].notna()]
    team = measured["name"][measured["name"] != BLEND].tolist()
    group_N = group_numbers(oof.get("group"), len(oof))
    gain = None
    if team and BLEND in oof:
        blend, best = (placements(oof["target"], oof[name], group_N) for name in (BLEND, team[0]))
        gain = gain_interval(blend - best)
    ranking = [embed(plots.dots(measured, "OOF AUC (bars: 95% interval)"), "OOF AUC")] if len(measured) else []
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
        Section("Blend and members", (*ranking, _summary(members), *_correlation(team, oof))),
        estimates.nested_cv(card),
        estimates.forecast(card, shown),
        Section("Errors", _errors(oof, shown)),
    )
    return Page(
        title=f"Blend of {counted(len(members) - 1, 'member')}",
        headline=_headline(members, team, gain, file, len(oof), card["forecast"]),
        sections=sections,
        provenance=provenance("ffdi blend", digests),
    )


def _headline(
    members: pd.DataFrame,
    team: list[str],
    gain: Interval | None,
    file: str,
    rows: int,
    forecast: Mapping[str, Any] | None,
) -> str:
    blend, count = members.iloc[0], int((members["weight"] > 0).sum())
    start = f"Send {file}, the blend of {counted(count, 'member')}"
    if gain is None:
        return f"{start}. It has no OOF score, because none of them held images out."
    told = (
        f"{start}. Nested AUC on {rows:,} images that its fold models had not seen: {blend['auc']:.4f} (95% interval "
        f"{interval(blend['low'], blend['high'])}). {comparison(team[0], count, gain)}"
    )
    if np.isfinite(blend["auc_val"]):
        told += f" AUC on the official validation images: {blend['auc_val']:.4f}."
    return f"{told} {estimates.expected(forecast)}" if forecast else told


def comparison(best: str, count: int, gain: Interval) -> str:
    """Return a sentence that compares a blend with its best member.

    Args:
        best: Name of the best member.
        count: Members of the blend.
        gain: AUC of the blend less that of the best member.
    """
    if count == 1:
        return "It has one member only."
    if gain.low > 0:
        return f"It is better than its best member {best} by {gain.value:.4f}, beyond noise."
    if gain.value + quantile(1 - (1 - LEVEL) / count) * gain.se < 0:  # the best of several was lucky: Bonferroni
        return (
            f'It is worse than {best} alone by {-gain.value:.4f}, beyond noise: set blend.weights = {{"{best}" = 1}}.'
        )
    return f"Noise cannot separate it from its best member {best} ({gain.value:+.4f})."


def members_table(card: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row for the blend, then one a member by falling OOF AUC.

    Columns: name, weight, auc, low, high, fold_mean, fold_sd, auc_val, TPR at *. NaN where no row was held out.
    """
    rows = []
    for line in ({"name": BLEND, "weight": np.nan, **card["blend"]}, *card["members"]):
        span = line["auc"] or dict.fromkeys(("value", "low", "high"))
        rates = {f"TPR at {fpr}": value for fpr, value in line["tpr"].items()}
        numbers = {name: line[name] for name in ("weight", "fold_mean", "fold_sd", "auc_val")}
        rows.append({"auc": span["value"], "low": span["low"], "high": span["high"], **numbers, **rates})
    frame = pd.DataFrame(rows, dtype=float)
    frame.insert(0, "name", [BLEND, *(member["name"] for member in card["members"])])
    return pd.concat([frame.iloc[:1], frame.iloc[1:].sort_values("auc", ascending=False)], ignore_index=True)


def _summary(members: pd.DataFrame) -> Table:
    rates = [name for name in members.columns if name.startswith("TPR")]
    frame = members[["name", "weight", "auc"]].assign(
        interval=intervals(members),
        folds=[spread(mean, sd) for mean, sd in zip(members["fold_mean"], members["fold_sd"], strict=True)],
        auc_val=members["auc_val"], **{rate: members[rate] for rate in rates},
    )  # fmt: skip
    names = {"name": "member", "auc": "OOF AUC", "interval": "95% interval", "folds": "folds, mean ± sd",
             "auc_val": "validation AUC"}  # fmt: skip
    formats = {"auc": ".4f", "auc_val": ".4f", "weight": ".3f"} | dict.fromkeys(rates, ".3f")
    caption = (
        "OOF AUC: scores are ranked inside each fold, then pooled; that of the blend is nested. Intervals count "
        "near-duplicates as one. TPR: share of fakes found at this false-positive rate."
    )
    return table(frame, "The blend, then its members, best first", caption, formats, names, limit=120)


def _correlation(team: list[str], oof: pd.DataFrame) -> tuple[Block, ...]:
    if len(team) < 2:
        return ()
    frame = oof[team].corr("spearman")
    frame.insert(0, "", frame.index)
    caption = "A member whose correlation with another is near 1 adds little to it."
    names = {"": "member"} | {name: shorten(name, 14) for name in team}
    return (table(frame, "Rank correlation of members", caption, dict.fromkeys(team, ".3f"), names),)


def _errors(oof: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    """Show the worst errors of each class."""
    if folder is None or BLEND not in oof:
        return ()
    rows = oof.assign(note="score " + oof[BLEND].map("{:.3f}".format)).sort_values([BLEND, "id"])
    missed, called = rows[rows["target"] == 1].head(WORST), rows[rows["target"] == 0].iloc[::-1].head(WORST)
    return (
        images.sheet(missed, folder, "Fakes taken for originals", "Lowest scores first."),
        images.sheet(called, folder, "Originals taken for fakes", "Highest scores first."),
    )
