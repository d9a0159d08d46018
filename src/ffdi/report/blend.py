"""The page of a blend: which submission to send, and what it is worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending.result import BlendResult
from ffdi.metrics.delong import Interval, delong_paired
from ffdi.report import contact, curves, likeness, plots
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Picture, Section, Text
from ffdi.report.provenance import provenance
from ffdi.report.table import Table, counted, interval, spread, table, write
from ffdi.report.train import DRAWN, roc_pictures

BLEND = "blend"  # the name of the blend's row and column
HEADINGS = {"name": "member", "auc": "OOF AUC", "folds": "folds, mean ± sd", "val_auc": "validation AUC"}
DOUBT = "The OOF estimate holds for forgeries like those in the data; on other kinds the score may be far lower."


def of_result(result: BlendResult, submission: Mapping[str, str], images: Path) -> Page:
    """Return the page of `ffdi blend`. `submission`: file, sha256, date of what was written."""
    from ffdi.report import advice, budget, estimates, outlook, views

    inputs = {
        "recipe": result.card["recipe"]["digest"],
        "manifest": result.card["manifest"],
        "folds": result.card["folds"]["digest"],
    }
    oof = result.blended.oof
    first = oof["relpath"].iloc[0] if len(oof) else ""
    return page(
        result.members,
        result.folds,
        oof,
        submission,
        images if first and (images / first).is_file() else None,  # a laptop without images has no contact sheet
        provenance("ffdi blend", inputs),
        (
            estimates.section(result.choice),
            *outlook.sections(result.outlook),
            *budget.sections(result.budget),
            *views.sections(result.views),
        ),
        (advice.section(result.choice, result.outlook, submission, result.blended.weights),),
    )


def page(
    members: pd.DataFrame,
    folds: pd.DataFrame,
    scores: pd.DataFrame,
    submission: Mapping[str, str] | None = None,
    folder: Path | None = None,
    provenance: Mapping[str, str] | None = None,
    more: Sequence[Section] = (),
    first: Sequence[Section] = (),
) -> Page:
    """The page of one blend.

    `members`: a row a member and one named 'blend'; name, auc, low, high (OOF; NaN for a member that was fitted on all
    rows), and of weight, mean, sd, val_auc and tpr_* what there is.
    `folds`: name, fold, auc. `scores`: id, target, the OOF score of every row of `members` that has an AUC under its
    name, and relpath where `folder` is given. `submission`: 'file' (the path to send) and other lines to show.
    `first`, `more`: sections that stand before and after the ranking.
    """
    measured = members[members["auc"].notna()]
    team = measured[measured["name"] != BLEND].sort_values("auc", ascending=False)
    gain = _gain(team, scores) if len(team) and BLEND in scores.columns else None
    sections = (
        *first,
        Section("Blend and members", (*_ranking(measured, scores), _summary(members))),
        *more,
        Section("How members differ", _differences(team, folds, scores, folder)),
        Section("Scores", _histogram(scores)),
        Section("Worst errors of the blend", _errors(scores, folder)),
        Section("Submission", _submission(submission or {})),
    )
    return Page(
        title=f"Blend of {counted(len(members) - 1, 'member')}",
        headline=_headline(members, team, gain, submission or {}, len(scores)),
        facts=_facts(members, team, gain, scores),
        sections=tuple(section for section in sections if section.blocks),
        provenance=provenance or {},
    )


def _gain(team: pd.DataFrame, scores: pd.DataFrame) -> Interval:
    """AUC of the blend less that of its best member."""
    return delong_paired(scores["target"], scores[BLEND], scores[team["name"].iloc[0]])


def _headline(
    members: pd.DataFrame, team: pd.DataFrame, gain: Interval | None, submission: Mapping[str, str], rows: int
) -> str:
    row = members[members["name"] == BLEND].iloc[0]
    send = f"Send {submission['file']}, the" if submission.get("file") else "The"
    start = f"{send} blend of {counted(len(members) - 1, 'model')}"
    if gain is None:
        told = f"{start}. It has no out-of-fold score, because every member was fitted on all rows."
    else:
        told = (
            f"{start}: on {rows:,} images that its models had not seen, it puts a fake above an original in "
            f"{100 * row['auc']:.1f}% of pairs (nested AUC {row['auc']:.4f}, 95% interval "
            f"{interval(row['low'], row['high'])}), {comparison(str(team['name'].iloc[0]), len(members) - 1, gain)}."
        )
    val = row.get("val_auc", np.nan)
    return f"{told} On the official validation images it has {val:.4f}." if np.isfinite(val) else told


def comparison(best: str, count: int, gain: Interval) -> str:
    """How the blend of `count` members stands to its best one; `gain` is the difference of their AUCs."""
    if count == 1:
        return "which is that of its one member"
    if gain.low > 0:
        return f"{gain.value:.4f} above its best member {best}, beyond noise"
    if gain.high < 0:
        return f"{-gain.value:.4f} below {best} alone, beyond noise: {best} alone is the better choice"
    return f"which noise cannot tell from its best member {best} alone ({gain.value:+.4f})"


def _facts(members: pd.DataFrame, team: pd.DataFrame, gain: Interval | None, scores: pd.DataFrame) -> tuple[Fact, ...]:
    row = members[members["name"] == BLEND].iloc[0]
    facts = []
    if gain is not None:
        fakes = int((scores["target"] == 1).sum())
        facts += [
            Fact("nested AUC of the blend", f"{row['auc']:.4f}", interval(row["low"], row["high"])),
            Fact(f"gain over {team['name'].iloc[0]}", f"{gain.value:+.4f}", interval(gain.low, gain.high, "+.4f")),
            Fact("OOF images", f"{len(scores):,}", f"{fakes:,} fake, {len(scores) - fakes:,} original"),
        ]
    if np.isfinite(row.get("val_auc", np.nan)):
        facts.insert(2, Fact("validation AUC", f"{row['val_auc']:.4f}", "official validation split"))
    return tuple(facts)


def _ranking(measured: pd.DataFrame, scores: pd.DataFrame) -> tuple[Picture, ...]:
    if measured.empty:
        return ()
    ordered = _ordered(measured)
    alt = ", ".join(f"{name} {auc:.4f}" for name, auc in zip(ordered["name"], ordered["auc"], strict=True))
    dots = plots.auc_dots(ordered, "OOF AUC (lines: 95% interval)", reference=None)
    shown = list(ordered["name"])[:DRAWN]
    rocs = {name: curves.roc(scores["target"].to_numpy(), scores[name].to_numpy()) for name in shown}
    return (embed(dots, "OOF AUC", f"OOF AUC with intervals: {alt}"), *roc_pictures(rocs, len(ordered)))


def _summary(members: pd.DataFrame) -> Table:
    rates = [name for name in members.columns if name.startswith("tpr_")]
    frame = _ordered(members)
    frame["95% interval"] = [interval(*pair) for pair in zip(frame["low"], frame["high"], strict=True)]
    if {"mean", "sd"} <= set(frame.columns):
        frame["folds"] = [spread(*pair) for pair in zip(frame["mean"], frame["sd"], strict=True)]
    wanted = ["name", "weight", "auc", "95% interval", "folds", "val_auc", *rates]
    frame = frame[[name for name in wanted if name in frame.columns]]
    formats = {"auc": ".4f", "val_auc": ".4f", "weight": ".3f"} | dict.fromkeys(rates, ".3f")
    names = HEADINGS | {rate: rate.replace("tpr_", "TPR at ") for rate in rates}
    caption = (
        "OOF AUC pools ranks made inside each fold, the blend's is nested; intervals take near-duplicates as one. "
        "TPR: share of fakes found where that share of originals is called fake."
    )
    return table(frame, "The blend, then its members, best first", caption, formats, names, most=120)


def _differences(
    team: pd.DataFrame, folds: pd.DataFrame, scores: pd.DataFrame, folder: Path | None
) -> tuple[Block, ...]:
    place = {name: row for row, name in enumerate([BLEND, *team["name"]])}
    rows = folds[folds["auc"].notna() & folds["name"].isin(place)]
    rows = rows.sort_values("name", key=lambda names: names.map(place), kind="stable")
    blocks: list[Block] = []
    if len(rows):
        by_name = rows.groupby("name", sort=False)["auc"]
        alt = "AUC by fold: " + "; ".join(f"{name} {aucs.min():.3f} to {aucs.max():.3f}" for name, aucs in by_name)
        blocks.append(embed(plots.fold_spread(rows), "AUC of every fold", alt, "Dots are folds, bars their mean."))
    if len(team) > 1:
        blocks += likeness.pictures(list(team["name"]), scores)
        if folder is not None and "relpath" in scores.columns:
            blocks.append(likeness.sheet(list(team["name"]), scores, folder))
    return tuple(blocks)


def _histogram(scores: pd.DataFrame) -> tuple[Picture, ...]:
    if BLEND not in scores.columns:
        return ()
    figure = plots.histogram(scores[BLEND].to_numpy(), scores["target"].to_numpy(), "OOF score of the blend")
    medians = scores.groupby("target")[BLEND].median()
    alt = f"Blend scores by label: median {medians[0]:.3f} for originals, {medians[1]:.3f} for fakes"
    return (embed(figure, "Blend scores by label", alt, "Where the two overlap, the blend cannot tell."),)


def _errors(scores: pd.DataFrame, folder: Path | None) -> tuple[Block, ...]:
    if folder is None or not {"relpath", BLEND} <= set(scores.columns):
        return ()
    rows = scores.assign(note="score " + scores[BLEND].map("{:.3f}".format)).sort_values([BLEND, "id"])
    missed, called = rows[rows["target"] == 1], rows[rows["target"] == 0].iloc[::-1]
    return (
        contact.error_sheet(missed, folder, "Fakes taken for originals", "Lowest scores first.", most=7),
        contact.error_sheet(called, folder, "Originals taken for fakes", "Highest scores first.", most=7),
    )


def _submission(lines: Mapping[str, str]) -> tuple[Block, ...]:
    if not lines:
        return ()
    frame = pd.DataFrame({"what": list(lines), "value": [write(value) for value in lines.values()]})
    return (Text(DOUBT, warning=True), table(frame, "What is sent"))


def _ordered(members: pd.DataFrame) -> pd.DataFrame:
    """The blend first, then members by OOF AUC."""
    return members.assign(last=members["name"] != BLEND).sort_values(["last", "auc"], ascending=[True, False])
