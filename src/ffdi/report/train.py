"""The page of training: how each member learned, how well it ranks images it has not seen, where it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.report import contact, curves, plots
from ffdi.report.figures import Picture, embed
from ffdi.report.page import Block, Fact, Page, Section, Text
from ffdi.report.table import Table, counted, table, write
from ffdi.score.auc import auc, tpr_at_fpr
from ffdi.score.interval import Interval, delong
from ffdi.score.ranks import rank_within

DRAWN = 6  # members in one ROC panel; more lines cannot be told apart
FELL = 0.005  # AUC lost after the best epoch that counts as overfitting


@dataclass(frozen=True)
class Trained:
    """One member. `logs`: by fold, columns epoch, step, split ('train' or 'oof'), loss, auc, lr, images_per_second.

    `oof`: id, relpath, target, fold, logit; `summary` is computed from ranks made inside each fold, because logits of
    different folds are not on one scale.
    """

    name: str
    logs: Mapping[int, pd.DataFrame]
    oof: pd.DataFrame

    def score(self) -> np.ndarray:
        return rank_within(self.oof["logit"], self.oof["fold"])

    def fold_aucs(self) -> pd.Series:
        """AUC by fold; NaN where a fold lacks a class."""
        return pd.Series({fold: _fold_auc(rows) for fold, rows in self.oof.groupby("fold")}, dtype=float)


def page(members: Sequence[Trained], folder: Path | None = None, provenance: Mapping[str, str] | None = None) -> Page:
    """The page of all members of a recipe that have OOF predictions of both classes. `folder`: where relpath starts."""
    scores = [member.score() for member in members]
    intervals = [delong(member.oof["target"], score) for member, score in zip(members, scores, strict=True)]
    best = int(np.argmax([interval.value for interval in intervals]))
    return Page(
        title=f"Training of {counted(len(members), 'member')}",
        headline=_headline(members, intervals, best),
        facts=_facts(members, intervals, best),
        sections=(
            Section("Members", (*_ranking(members, scores, intervals), _summary(members, scores, intervals))),
            Section("Learning curves", _curves(members)),
            Section("Scores", tuple(_histogram(member) for member in members)),
            Section("Worst errors", _errors(members[best], scores[best], folder)),
        ),
        provenance=provenance or {},
    )


def _headline(members: Sequence[Trained], intervals: Sequence[Interval], best: int) -> str:
    found = intervals[best]
    images = counted(len(members[best].oof), "image")
    folds = counted(members[best].oof["fold"].nunique(), "fold")
    place = f"{members[best].name} is the best of {len(members)} members" if len(members) > 1 else members[best].name
    verb = "with" if len(members) > 1 else "reaches"
    return (
        f"{place} {verb} an OOF AUC of {found.value:.4f} (95 % interval {found.low:.4f} to {found.high:.4f}) "
        f"on {images} in {folds}. {advice([log for member in members for log in member.logs.values()])}"
    )


def advice(logs: Sequence[pd.DataFrame]) -> str:
    """One sentence on what the OOF curves say about the number of epochs."""
    series = [curves.by_epoch(log, "oof", "auc") for log in logs]
    series = [one for one in series if len(one) > 1]
    if not series:
        return "With one measured epoch the curves cannot tell whether more training would help."
    fell = sum(one.max() - one.iloc[-1] > FELL for one in series)
    rose = sum(one.iloc[-1] - one.iloc[:-1].max() > FELL for one in series)
    if fell > len(series) / 2:
        return f"OOF AUC fell after its best epoch in {fell} of {len(series)} runs: fewer epochs or more augmentation."
    if rose > len(series) / 2:
        return f"OOF AUC was still rising in the last epoch of {rose} of {len(series)} runs: more epochs may help."
    return f"The OOF curves have levelled off in {len(series) - fell - rose} of {len(series)} runs."


def _facts(members: Sequence[Trained], intervals: Sequence[Interval], best: int) -> tuple[Fact, ...]:
    folds, oof = members[best].fold_aucs(), members[best].oof
    return (
        Fact("OOF AUC, best member", f"{intervals[best].value:.4f}", members[best].name),
        Fact("folds, mean ± sd", f"{folds.mean():.4f}", f"± {write(folds.std(), '.4f')}"),
        Fact("worst fold", f"{folds.min():.4f}", f"fold {folds.idxmin()}"),
        Fact("fakes found at FPR 1 %", f"{tpr_at_fpr(oof['target'], members[best].score(), 1e-2):.1%}", "TPR, OOF"),
    )


def _ranking(
    members: Sequence[Trained], scores: Sequence[np.ndarray], intervals: Sequence[Interval]
) -> tuple[Picture, ...]:
    order = np.argsort([-interval.value for interval in intervals], kind="stable")[:DRAWN]
    rocs = {members[i].name: curves.roc(members[i].oof["target"], scores[i]) for i in order}
    spread = pd.concat(
        [pd.DataFrame({"name": m.name, "auc": m.fold_aucs().dropna().to_numpy()}) for m in members], ignore_index=True
    )
    return (
        embed(plots.fold_spread(spread), "AUC of every fold", _spread_alt(members), "Dots are folds, bars their mean."),
        *roc_pictures(rocs, len(members)),
    )


def roc_pictures(rocs: Mapping[str, curves.Roc], count: int) -> tuple[Picture, Picture]:
    """ROC on linear and on log axes; `count` is how many curves there are in all."""
    finest = max(curve.finest for curve in rocs.values())
    cut = f"The best {len(rocs)} of {count}. " if count > len(rocs) else ""
    names = ", ".join(rocs)
    return (
        embed(curves.roc_panel(rocs), "ROC", f"ROC curves of {names}", f"{cut}Dashes: chance."),
        embed(
            curves.low_roc_panel(rocs),
            "ROC at low false-positive rates",
            f"The low end of the ROC curves of {names} on a logarithmic axis",
            f"{cut}Dashes at 0.1, 0.5 and 1 %. One original is {finest:.2g}: finer rates cannot be measured here.",
        ),
    )


def _spread_alt(members: Sequence[Trained]) -> str:
    parts = [f"{m.name} {m.fold_aucs().min():.3f} to {m.fold_aucs().max():.3f}" for m in members]
    return "AUC by fold: " + "; ".join(parts)


def _summary(members: Sequence[Trained], scores: Sequence[np.ndarray], intervals: Sequence[Interval]) -> Table:
    rows = []
    for member, score, interval in zip(members, scores, intervals, strict=True):
        folds = member.fold_aucs()
        rows.append({
            "member": member.name, "folds": int(folds.size), "mean": folds.mean(), "sd": folds.std(),
            "auc": interval.value, "low": interval.low, "high": interval.high,
            **{f"tpr_{rate:g}": tpr_at_fpr(member.oof["target"], score, rate) for rate in curves.FALSE_POSITIVE_RATES},
            "speed": _speed(member),
        })  # fmt: skip
    frame = pd.DataFrame(rows).sort_values("auc", ascending=False)
    rates = {f"tpr_{rate:g}": f"TPR at {rate:g}" for rate in curves.FALSE_POSITIVE_RATES}
    names = {"mean": "mean of folds", "auc": "OOF AUC", "low": "95 % low", "high": "95 % high", "speed": "images/s"}
    formats = dict.fromkeys(("mean", "sd", "auc", "low", "high"), ".4f") | dict.fromkeys(rates, ".3f")
    caption = "OOF AUC pools ranks made inside each fold; intervals are DeLong's. Speed: median of training."
    return table(frame, "Members, best first", caption, formats | {"speed": ",.0f"}, names | rates)


def _curves(members: Sequence[Trained]) -> tuple[Block, ...]:
    blocks: list[Block] = [Text("Solid: images outside the training folds (OOF). Dashed: training images.")]
    for member in members:
        for column, what in (("loss", "loss"), ("auc", "OOF AUC"), ("lr", "learning rate")):
            logs = {fold: log for fold, log in member.logs.items() if _has(log, column)}
            if logs:
                figure = curves.fold_curves(logs, column, what)
                alt = f"{what} of {member.name} by epoch, one line for each of {counted(len(logs), 'fold')}"
                blocks.append(embed(figure, f"{member.name}: {what}", alt))
    return tuple(blocks)


def _histogram(member: Trained) -> Picture:
    figure = plots.histogram(member.oof["logit"].to_numpy(), member.oof["target"].to_numpy(), "OOF logit")
    medians = member.oof.groupby("target")["logit"].median()
    alt = f"OOF logits of {member.name}: median {medians[0]:+.2f} for originals, {medians[1]:+.2f} for fakes"
    return embed(figure, member.name, alt, f"Medians: originals {medians[0]:+.2f}, fakes {medians[1]:+.2f}.")


def _errors(member: Trained, score: np.ndarray, folder: Path | None) -> tuple[Block, ...]:
    rows = member.oof.assign(rank=score)
    called = rows[rows["target"] == 0].sort_values(["rank", "id"], ascending=[False, True])
    missed = rows[rows["target"] == 1].sort_values(["rank", "id"])
    return (
        Text(f"Errors of {member.name}, ordered by rank inside their fold. Look for what they share."),
        contact.error_sheet(missed, folder, "Fakes taken for originals", "Lowest ranks first."),
        contact.error_sheet(called, folder, "Originals taken for fakes", "Highest ranks first."),
    )


def _fold_auc(rows: pd.DataFrame) -> float:
    return auc(rows["target"], rows["logit"]) if rows["target"].nunique() == 2 else float("nan")


def _has(log: pd.DataFrame, column: str) -> bool:
    return column in log.columns and bool(log[column].notna().any())


def _speed(member: Trained) -> float:
    speeds = [log["images_per_second"].dropna() for log in member.logs.values() if _has(log, "images_per_second")]
    return float(pd.concat(speeds).median()) if speeds else float("nan")
