"""`ffdi train`: what is missing of weights and predictions."""

import time
from pathlib import Path

from ffdi.cli.project import Options, Project
from ffdi.core import checksum, console
from ffdi.core.deadline import parse_until
from ffdi.report.page import Page, write_safely
from ffdi.training import finish, launch, world
from ffdi.training.job import FoldJob, plan


def run(options: Options, until: str) -> None:
    """Train what is not done."""
    deadline = parse_until(until, time.time())
    project = options.open()
    _check_params(project)
    jobs = plan_jobs(project)
    _check_weights(jobs)
    launch.train(jobs, launch.devices(), deadline)
    if world.is_first():
        _show(project, jobs)


def plan_jobs(project: Project) -> list[FoldJob]:
    """Every (member, fold), from the manifest and fold table on disk. Raises UserError if one is missing or stale."""
    from ffdi.data import folds, manifest

    rows = manifest.read(project.places)
    table = folds.read(project.places, project.recipe.folds, rows, project.recipe.data.train_splits)
    return plan(project.recipe, project.competition, rows, table, project.images, project.places)


def _check_params(project: Project) -> None:
    from ffdi.model.build import refuse_over_limit

    recipe = project.recipe
    refuse_over_limit(recipe, recipe.max_params or project.competition.max_params)


def _check_weights(jobs: list[FoldJob]) -> None:
    """Before hours of training: every member's first weights are there."""
    from ffdi.model.sources import resolve

    for member in {job.member.name: job.member for job in jobs if not finish.is_trained(job)}.values():
        resolve(member, Path("weights"))


def _show(project: Project, jobs: list[FoldJob]) -> None:
    rows = []
    for job in jobs:
        scores = checksum.read_json(job.folder / "done.json")["scores"]
        rows.append([job.member.name, job.fold, len(job.train), len(job.oof), f"{scores.get('auc', float('nan')):.4f}"])
    console.table("trained", ["member", "fold", "train", "held out", "OOF AUC"], rows)
    if any(len(job.oof) for job in jobs):
        write_safely(project.places.report("train"), lambda: _page(project, jobs))


def _page(project: Project, jobs: list[FoldJob]) -> Page:
    from ffdi.report import train

    return train.of_jobs(jobs, project.images)
