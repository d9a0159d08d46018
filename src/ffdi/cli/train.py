"""`ffdi train` and `ffdi predict`."""

import time
from pathlib import Path

from ffdi.cli.desk import Desk, open_desk
from ffdi.config.load import load_recipe
from ffdi.core import checksum, console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import UserError
from ffdi.report.page import Page, write_safely
from ffdi.training import finish, launch, world
from ffdi.training.job import FoldJob, plan


def run(recipe: Path, data: Path | None, work: Path, submissions: Path, until: str) -> None:
    """Train what is not done."""
    deadline = parse_until(until, time.time())
    _check_params(recipe)
    desk = open_desk(recipe, data, work, submissions)
    jobs = plan_jobs(desk)
    _check_weights(jobs)
    launch.train(jobs, launch.devices(), deadline)
    if world.is_first():
        _show(desk, jobs)


def predict(desk: Desk) -> None:
    """Predict with the weights that stand. Raises UserError if a fold was never trained."""
    jobs = plan_jobs(desk)
    missing = [job.label for job in jobs if not finish.is_trained(job)]
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
    from ffdi.config.load import load_competition
    from ffdi.model.build import refuse_over_limit

    recipe = load_recipe(path)
    refuse_over_limit(recipe, recipe.max_params or load_competition(recipe.competition).max_params)


def _check_weights(jobs: list[FoldJob]) -> None:
    """Before hours of training: every member's first weights are there."""
    from ffdi.model.sources import resolve

    for member in {job.member.name: job.member for job in jobs if not finish.is_trained(job)}.values():
        resolve(member, Path("weights"))


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
