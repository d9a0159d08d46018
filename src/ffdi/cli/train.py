"""`ffdi train`: train and predict what is missing."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.cli import plan
from ffdi.cli.project import WORK, Options, Project
from ffdi.core import checksum, console
from ffdi.core.errors import Paused
from ffdi.core.stop import parse_until
from ffdi.model.build import refuse_over_limit
from ffdi.model.sources import resolve
from ffdi.report.page import page_of, show
from ffdi.training import budget, finish, launch, world
from ffdi.training.job import FoldJob

LATE = 0.1  # of the minutes of a plan: what is nearly finished then is worth more than they are
LAST_SAVES = 60.0  # seconds before a deadline from which on a pause is its doing


def run(options: Options, until: str) -> None:
    """Train what is not done, and show and write what came of it."""
    project, jobs = _trained(options, until)
    if world.is_first():
        console.say(f"trained: {len(jobs)} folds of {len({job.member.name for job in jobs})} members")
        if any(len(job.oof) for job in jobs):
            show(project.places.report("train"), page_of("train", jobs))


def train(
    recipe: str | Path, *changes: str, data: str | Path | None = None, work: str | Path = WORK, until: str = ""
) -> pd.DataFrame:
    """Train every member of a recipe on every fold, and predict, as `ffdi train` does; run `ffdi folds` first.

    Args:
        recipe: A TOML file such as `ensembles/sample.toml`.
        changes: Of the recipe, for example "member.lr=1e-3".
        data: The competition's folder; None: the recipe's.
        work: Where artefacts go.
        until: Save and leave by then, for example "11h30m".

    Returns:
        A row a fold: member, fold, train and held_out (images), auc of the held-out images (NaN for a refit).

    Raises:
        Paused: The time was over; the same call goes on.
        UserError: Something that was named is missing or does not fit; the message says what to do.

    Example:
        >>> ffdi.train("ensembles/sample.toml", "member.epochs=3")  # doctest: +SKIP
    """
    options = Options(Path(recipe), None if data is None else Path(data), Path(work), changes=changes)
    _, jobs = _trained(options, until)
    return pd.DataFrame(map(_result, jobs))


def _trained(options: Options, until: str) -> tuple[Project, list[FoldJob]]:
    deadline = parse_until(until, time.time())
    project = options.open()
    refuse_over_limit(project.recipe, project.competition.max_params)
    jobs = project.jobs()
    for member in {job.member.name: job.member for job in jobs if not finish.is_trained(job)}.values():
        resolve(member)  # missing weights are told now, not after hours of training
    if options.planned and not until and any(not finish.is_done(job) for job in jobs):
        return _within_budget(options, project, jobs)
    launch.train(jobs, launch.devices(), deadline, project.recipe.cluster)
    return project, jobs


def _within_budget(options: Options, project: Project, jobs: list[FoldJob]) -> tuple[Project, list[FoldJob]]:
    """Train until the time of the plan is over; return the project and the jobs of the members that are finished.

    The folds are trained first; the time they took says how many epochs of the refits fit. Members that are not
    finished in time are taken out of the planned recipe. Raise Paused where none is finished.
    """
    known, begun = plan.budget(project.places), time.time()
    spare = known["training_seconds"]
    deadline = begun + spare + LATE * known["minutes"] * 60
    try:
        if _is_new(jobs):
            in_folds = [job for job in jobs if not job.member.refit_full]
            launch.train(in_folds, launch.devices(), deadline, project.recipe.cluster)
            project, jobs = _with_longest_refits(options, project, jobs, time.time() - begun, spare)
        launch.train(jobs, launch.devices(), deadline, project.recipe.cluster)
    except Paused:
        unfinished = {job.member.name for job in jobs if not finish.is_done(job)}
        done = [job for job in jobs if job.member.name not in unfinished]
        if not done or time.time() < deadline - LAST_SAVES:
            raise
        console.warn(f"The time is over: the recipe goes on without {', '.join(sorted(unfinished))}.")
        plan.without(project.recipe_path, unfinished)
        jobs = done
    console.say(f"training took {(time.time() - begun) / 60:.1f} of {spare / 60:.1f} minutes")
    return project, jobs


def _is_new(jobs: list[FoldJob]) -> bool:
    """Return whether nothing is trained yet, and both folds and refits will be, by this process alone."""
    kinds = {job.member.refit_full for job in jobs}
    return len(kinds) == 2 and not world.launched_by_torchrun() and not any(job.folder.exists() for job in jobs)


def _with_longest_refits(
    options: Options, project: Project, jobs: list[FoldJob], taken: float, spare: float
) -> tuple[Project, list[FoldJob]]:
    """Write as many epochs of the refits into the planned recipe as fit; return what is trained then.

    Args:
        options: Of the verb.
        project: With the planned recipe.
        jobs: Of all members; those of the folds are done.
        taken: Seconds of the folds.
        spare: Seconds of all training.
    """
    rows = {"train": len(jobs[0].fit), "val": len(jobs[0].val), "test": len(jobs[0].test)}
    timed, some = plan.budget(project.places)["speeds"], jobs[0].fit.head(budget.READ)
    first = next(iter(timed.values()))  # counts for a network that somebody added to the plan
    speeds = {}
    for member in project.recipe.member:
        train, predict = timed.get(member.model, first)
        speeds[member.name] = budget.Speed(train, predict, budget.read_seconds(member, some, jobs[0].images))
    epochs = budget.refit_epochs(project.recipe, rows, speeds, taken, plan.REFIT_SHARE * (spare - taken))
    before = next(job.member.epochs for job in jobs if job.member.refit_full)
    if epochs == before:
        return project, jobs
    console.say(f"The folds took {taken / 60:.1f} min: the refits train for {epochs} epochs, not {before}.")
    plan.set_refit_epochs(project.recipe_path, epochs)
    project = options.open()
    return project, project.jobs()


def _result(job: FoldJob) -> dict[str, Any]:
    scores = checksum.read_json(job.folder.done)["scores"]
    sizes = {"train": len(job.train), "held_out": len(job.oof)}
    return {"member": job.member.name, "fold": job.fold, **sizes, "auc": scores.get("auc", float("nan"))}
