"""The page of `ffdi train`, gathered from the folds' logs and OOF tables."""

import pandas as pd

from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.metrics.auc import auc
from ffdi.report import page
from ffdi.report import train as report
from ffdi.report.provenance import provenance
from ffdi.training import journal
from ffdi.training.job import Job


def write(desk: Desk, jobs: list[Job]) -> None:
    """Members without held-out rows (fold "all") have no curve to show and are left out."""
    folded = [job for job in jobs if len(job.oof)]
    names = list(dict.fromkeys(job.member.name for job in folded))
    members = [_trained(name, [job for job in folded if job.member.name == name]) for name in names]
    if not members:
        return
    inputs = {job.label: checksum.digest(job.folder / "done.json") for job in jobs}
    path = desk.places.report("train")
    page.write(path, report.page(members, desk.images, provenance("ffdi train", inputs)))
    console.say(f"page: {path}")


def _trained(name: str, jobs: list[Job]) -> report.Trained:
    logs = {int(job.fold): _log(job) for job in jobs}
    return report.Trained(name, logs, pd.concat([_oof(job) for job in jobs], ignore_index=True))


def _log(job: Job) -> pd.DataFrame:
    """The journal, closed by the finished fold's plain view: points of a curve must be of one kind."""
    log = journal.frame(job.folder / "log.jsonl")
    oof = checksum.read_table(job.folder / "oof.parquet")
    plain = oof[(oof["view"] == "identity") & ~oof.imputed]
    target = job.oof.set_index("id").target.reindex(plain.id)
    if target.nunique() < 2:
        return log
    last = {"epoch": float(job.member.epochs), "split": "oof", "auc": auc(target, plain.logit)}
    return pd.concat([log, pd.DataFrame([last])], ignore_index=True)


def _oof(job: Job) -> pd.DataFrame:
    logits = checksum.read_table(job.folder / "oof.parquet").groupby("id", as_index=False).logit.mean()
    frame = job.oof[["id", "relpath", "target"]].merge(logits, on="id", validate="one_to_one")
    return frame.assign(fold=job.fold)
