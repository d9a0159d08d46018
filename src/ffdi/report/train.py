"""The page of training: how each member learned, how well it ranks images it has not seen, where it fails."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.core import checksum
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import Interval, delong
from ffdi.metrics.ranks import rank_within
from ffdi.report import contact, curves, plots
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Picture, Section, Text
from ffdi.report.provenance import provenance
from ffdi.report.table import Table, counted, interval, percent, spread, table, write
from ffdi.training.job import FoldJob

DRAWN = 6  # members in one ROC panel; more lines cannot be told apart
MOVED = 0.002  # AUC won or lost at the end of training that is worth a word


@dataclass(frozen=True)
class Trained:
    """One member. `logs`: by fold, columns epoch (done, a fraction), split ('train' or 'oof') and, where there is a
    value, loss, auc, lr, images_per_second. `oof`: id, relpath, target, fold, logit.
    """

    name: str
    logs: Mapping[int, pd.DataFrame]
    oof: pd.DataFrame

    def score(self) -> np.ndarray:
        """Ranks inside each fold: logits of different folds are not on one scale."""
        return rank_within(self.oof["logit"], self.oof["fold"])

    def fold_aucs(self) -> pd.Series:
        """AUC by fold; NaN where a fold lacks a class."""
        return pd.Series({fold: _fold_auc(rows) for fold, rows in self.oof.groupby("fold")}, dtype=float)


def of_jobs(jobs: Sequence[FoldJob], images: Path) -> Page:
    """Return the page of finished jobs, of which at least one held images out."""
    held = [job for job in jobs if len(job.oof)]  # a refit on all rows has no curve to show
    names = dict.fromkeys(job.member.name for job in held)
    members = [_read(name, [job for job in held if job.member.name == name]) for name in names]
    inputs = {job.label: checksum.digest(job.folder / "done.json") for job in jobs}
    return page(members, images, provenance("ffdi train", inputs))


def _read(name: str, jobs: Sequence[FoldJob]) -> Trained:
    logs = {int(job.fold): _log(job) for job in jobs}
    return Trained(name, logs, pd.concat([_oof(job) for job in jobs], ignore_index=True))


def _log(job: FoldJob) -> pd.DataFrame:
    """Return the log, closed by the finished fold's plain view: points of a curve must be of one kind."""
    from ffdi.training import journal  # imports torch

    log = journal.frame(job.folder / "log.jsonl")
    oof = checksum.read_table(job.folder / "oof.parquet")
    plain = oof[(oof["view"] == "identity") & ~oof["imputed"]]
    target = job.oof.set_index("id")["target"].reindex(plain["id"])
    if target.nunique() < 2:
        return log
    last = {"epoch": float(job.member.epochs), "split": "oof", "auc": auc(target, plain["logit"])}
    return pd.concat([log, pd.DataFrame([last])], ignore_index=True)


def _oof(job: FoldJob) -> pd.DataFrame:
    logits = checksum.read_table(job.folder / "oof.parquet").groupby("id", as_index=False)["logit"].mean()
    frame = job.oof[["id", "relpath", "target"]].merge(logits, on="id", validate="one_to_one")
    return frame.assign(fold=job.fold)


def page(members: Sequence[Trained], folder: Path | None = None, provenance: Mapping[str, str] | None = None) -> Page:
    """The page of all members of a recipe that have OOF predictions of both classes. `folder`: where relpath starts."""
    members = sorted(members, key=lambda member: -auc(member.oof["target"], member.score()))
    scores = [member.score() for member in members]
    intervals = [delong(member.oof["target"], score) for member, score in zip(members, scores, strict=True)]
    sections = (
        Section("Members", (*_ranking(members, scores), _summary(members, scores, intervals))),
        Section("Learning curves", _curves(members)),
        Section("Scores", tuple(_histogram(member) for member in members)),
        Section("Worst errors", _errors(members[0], scores[0], folder)),
    )
    return Page(
        title=f"Training of {counted(len(members), 'member')}",
        headline=_headline(members, intervals[0]),
        facts=_facts(members[0], intervals[0]),
        sections=tuple(section for section in sections if section.blocks),
        provenance=provenance or {},
    )


def _headline(members: Sequence[Trained], found: Interval) -> str:
    best = members[0]
    images, folds = counted(len(best.oof), "image"), counted(best.oof["fold"].nunique(), "fold")
    start = f"{best.name} is the best of {len(members)} members with" if len(members) > 1 else f"{best.name} reaches"
    return (
        f"{start} an OOF AUC of {found.value:.4f} (95% interval {interval(found.low, found.high)}) "
        f"on {images} in {folds}. {advice(best.logs)}"
    )


def advice(logs: Mapping[int, pd.DataFrame]) -> str:
    """One sentence on what the OOF curves of a member's folds say about the number of epochs.

    A change counts if it exceeds twice its standard error over the folds: a single curve jitters by more than it moves.
    """
    aucs = pd.DataFrame({fold: curves.series(log, "oof", "auc") for fold, log in logs.items()}).dropna()
    epochs_E, aucs_EF = aucs.index.to_numpy(dtype=float), aucs.to_numpy(dtype=float)
    if min(aucs_EF.shape) < 2:
        return "Too few epochs and folds were measured to tell whether more training would help."
    best = int(aucs_EF.mean(axis=1).argmax())
    rose_F, fell_F = aucs_EF[-1] - aucs_EF[-2], aucs_EF[best] - aucs_EF[-1]
    if best == len(epochs_E) - 1 and _is_clear(rose_F):
        return f"OOF AUC still rose by {rose_F.mean():.4f} in the last epoch: more epochs may help."
    if _is_clear(fell_F):
        after = f"{fell_F.mean():.4f} after epoch {epochs_E[best]:g}"
        return f"OOF AUC fell by {after}: try fewer epochs or stronger augmentation."
    return "Its OOF curves have levelled off."


def _is_clear(change_F: np.ndarray) -> bool:
    error = change_F.std(ddof=1) / math.sqrt(len(change_F))
    return bool(change_F.mean() > max(MOVED, 2 * error))


def _facts(best: Trained, found: Interval) -> tuple[Fact, ...]:
    folds = best.fold_aucs()
    return (
        Fact("OOF AUC, best member", f"{found.value:.4f}", best.name),
        Fact("mean of its folds", f"{folds.mean():.4f}", f"± {write(folds.std(), '.4f')}"),
        Fact("its worst fold", f"{folds.min():.4f}", f"fold {folds.idxmin()}"),
        Fact("fakes found at FPR 1%", percent(tpr_at_fpr(best.oof["target"], best.score(), 1e-2)), "TPR, OOF"),
    )


def _ranking(members: Sequence[Trained], scores: Sequence[np.ndarray]) -> tuple[Picture, ...]:
    rocs = {
        m.name: curves.roc(m.oof["target"].to_numpy(), score)
        for m, score in list(zip(members, scores, strict=True))[:DRAWN]
    }
    folds = {member.name: member.fold_aucs().dropna() for member in members}
    rows = pd.concat([pd.DataFrame({"name": name, "auc": aucs}) for name, aucs in folds.items()], ignore_index=True)
    alt = "AUC by fold: " + "; ".join(f"{name} {aucs.min():.3f} to {aucs.max():.3f}" for name, aucs in folds.items())
    return (
        embed(plots.fold_spread(rows), "AUC of every fold", alt, "Dots are folds, bars their mean."),
        *roc_pictures(rocs, len(members)),
    )


def roc_pictures(rocs: Mapping[str, curves.Roc], count: int) -> tuple[Picture, Picture]:
    """ROC on linear and on log axes; `count` is how many curves there are in all."""
    finest, names = max(curve.finest for curve in rocs.values()), ", ".join(rocs)
    cut = f"The best {len(rocs)} of {count}. " if count > len(rocs) else ""
    colours = "Colours as in the ROC. " if len(rocs) > curves.FEW else ""
    limit = f"Dashes at 0.1, 0.5 and 1%. One original is a rate of {finest:.2g}; none finer can be measured."
    return (
        embed(curves.roc_panel(rocs), "ROC", f"ROC curves of {names}", f"{cut}Dashes: chance."),
        embed(
            curves.low_roc_panel(rocs),
            "ROC at low false-positive rates",
            f"The low end of the ROC curves of {names} on a logarithmic axis",
            f"{colours}{limit}",
        ),
    )


def _summary(members: Sequence[Trained], scores: Sequence[np.ndarray], intervals: Sequence[Interval]) -> Table:
    rows = []
    for member, score, found in zip(members, scores, intervals, strict=True):
        folds = member.fold_aucs()
        rows.append({
            "member": member.name, "auc": found.value, "95% interval": interval(found.low, found.high),
            "folds": int(folds.size), "mean ± sd": spread(folds.mean(), folds.std()),
            **{f"tpr_{rate:g}": tpr_at_fpr(member.oof["target"], score, rate) for rate in curves.FALSE_POSITIVE_RATES},
            "speed": _speed(member),
        })  # fmt: skip
    rates = {f"tpr_{rate:g}": f"TPR at {rate:g}" for rate in curves.FALSE_POSITIVE_RATES}
    caption = "OOF AUC pools ranks made inside each fold; intervals are DeLong's. Speed: median of training."
    formats = {"auc": ".4f", "speed": ",.0f"} | dict.fromkeys(rates, ".3f")
    return table(
        pd.DataFrame(rows), "Members, best first", caption, formats, rates | {"auc": "OOF AUC", "speed": "images/s"}
    )


def _curves(members: Sequence[Trained]) -> tuple[Block, ...]:
    blocks: list[Block] = [Text("Solid: images outside the training folds (OOF). Dashed: training images.")]
    for member in members:
        for column, what in (("loss", "loss"), ("auc", "OOF AUC"), ("lr", "learning rate")):
            logs = {fold: log for fold, log in member.logs.items() if _has(log, column)}
            if column == "lr":  # the same in every fold
                logs = dict(list(logs.items())[:1])
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
    if folder is None:
        return ()
    notes = [
        f"fold {fold}, logit {logit:+.2f}" for fold, logit in zip(member.oof["fold"], member.oof["logit"], strict=True)
    ]
    rows = member.oof.assign(rank=score, note=notes)
    called = rows[rows["target"] == 0].sort_values(["rank", "id"], ascending=[False, True])
    missed = rows[rows["target"] == 1].sort_values(["rank", "id"])
    return (
        Text(f"Errors of {member.name}, ordered by rank inside their fold. Look for what they share."),
        contact.error_sheet(missed, folder, "Fakes taken for originals", "Lowest ranks first.", most=14),
        contact.error_sheet(called, folder, "Originals taken for fakes", "Highest ranks first.", most=14),
    )


def _fold_auc(rows: pd.DataFrame) -> float:
    return auc(rows["target"], rows["logit"]) if rows["target"].nunique() == 2 else float("nan")


def _has(log: pd.DataFrame, column: str) -> bool:
    return column in log.columns and bool(log[column].notna().any())


def _speed(member: Trained) -> float:
    speeds = [log["images_per_second"].dropna() for log in member.logs.values() if _has(log, "images_per_second")]
    return float(pd.concat(speeds).median()) if speeds else float("nan")
