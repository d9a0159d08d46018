"""`ffdi train` and `ffdi predict`."""

import time
from pathlib import Path

from ffdi.cli.desk import Desk, open_desk
from ffdi.config.load import load_recipe
from ffdi.core import checksum, console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import UserError
from ffdi.report.page import Page, write_safely
from ffdi.training import launch, outcome, world
from ffdi.training.job import FoldJob, plan
from ffdi.training.probe import probe


def run(recipe: Path, data: Path | None, work: Path, submissions: Path, until: str, dry_run: bool) -> None:
    """Train what is not done; with `dry_run` only one step of every member."""
    deadline = parse_until(until, time.time())
    _check_params(recipe)
    if dry_run:
        _dry_run(recipe)
        return
    desk = open_desk(recipe, data, work, submissions)
    jobs = plan_jobs(desk)
    _check_weights(jobs)
    launch.train(jobs, launch.devices(), deadline)
    if world.is_first():
        _show(desk, jobs)


def predict(desk: Desk) -> None:
    """Predict with the weights that stand. Raises UserError if a fold was never trained."""
    jobs = plan_jobs(desk)
    missing = [job.label for job in jobs if not outcome.is_trained(job)]
    if missing:
        raise UserError(f"Not trained yet: {', '.join(missing[:5])}; run ffdi train (make train) first.")
    launch.train(jobs, launch.devices(), None)
    _show(desk, jobs)


def plan_jobs(desk: Desk) -> list[FoldJob]:
    """Every (member, fold), from the manifest and fold table on disk. Raises UserError if one is missing or stale."""
    from ffdi.data import folds, manifest

    rows = manifest.read(desk.places)
    table = folds.read(desk.places, desk.recipe.folds, rows, desk.recipe.data.train_splits)
    return plan(desk.recipe, desk.competition, rows, table, desk.images, desk.places)


def _check_params(path: Path) -> None:
    from ffdi.cli import params

    params.refuse_over_limit(load_recipe(path))


def _check_weights(jobs: list[FoldJob]) -> None:
    """Before hours of training: every member's first weights are there."""
    from ffdi.model.sources import resolve

    for member in {job.member.name: job.member for job in jobs if not outcome.is_trained(job)}.values():
        resolve(member, Path("weights"))


def _dry_run(path: Path) -> None:
    import torch

    device = torch.device(launch.devices()[0])
    members = load_recipe(path).member
    probes = []
    for member in members:
        console.say(f"one step of {member.name} ({member.model}, {member.image_size} px) on {device} …")
        probes.append(probe(member, device))
    rows = [
        [
            p.member,
            f"{p.params / 1e6:.1f}",
            f"{1 / p.train_seconds:.2f}",
            f"{1 / p.predict_seconds:.2f}",
            f"{p.memory / 2**30:.1f}",
        ]
        for p in probes
    ]
    columns = ["member", "M params", "train images/s", "predict views/s", "GiB at the peak"]
    console.table(f"dry run on {device}: every member made one step", columns, rows)


def _show(desk: Desk, jobs: list[FoldJob]) -> None:
    rows = []
    for job in jobs:
        scores = checksum.read_json(job.folder / "done.json")["scores"]
        rows.append([job.member.name, job.fold, len(job.train), len(job.oof), f"{scores.get('auc', float('nan')):.4f}"])
    console.table("trained", ["member", "fold", "train", "held out", "OOF AUC"], rows)
    if any(len(job.oof) for job in jobs):
        write_safely(desk.places.report("train"), lambda: _page(desk, jobs))


def _page(desk: Desk, jobs: list[FoldJob]) -> Page:
    from ffdi.report import train

    return train.of_jobs(jobs, desk.images)
