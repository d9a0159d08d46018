"""`ffdi search`: run trials until the budget is used up, then train the best again on fresh seeds."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from ffdi.cli.project import Project
from ffdi.cluster import session
from ffdi.cluster.check import check
from ffdi.config.recipe import Cluster
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.stop import parse_until
from ffdi.report.page import page_of, show
from ffdi.search import confirm, workers
from ffdi.search import promote as promotion
from ffdi.search import study as studies
from ffdi.search.confirm import Verdict
from ffdi.search.context import SearchContext, make_context
from ffdi.search.study import StudyOptions

SHOWN = 10  # failed trials in a table
SAME = "No finished trial differs from the default."


def run(project: Project, count: int | None, until: str, storage: str, again: bool) -> None:
    """Search until the budget is used up, then train the best again on fresh seeds.

    Args:
        project: Whose recipe has a [search].
        count: Workers; None: one a GPU or core.
        until: Stop by then.
        storage: URL of a database; "": a journal file.
        again: Train the best again on fresh seeds afterwards.

    Raises:
        Paused: The deadline or a signal came first.
    """
    if project.recipe.cluster.address and storage:
        raise UserError(
            "A cluster needs no database to share a search; leave out --storage (FFDI_STORAGE) or --cluster."
        )
    deadline = parse_until(until, time.time())
    context = context_of(project)
    from ffdi.search import objective  # imported here: --status needs no torch
    from ffdi.training import launch

    there = launch.devices()
    devices = [there[index % len(there)] for index in range(count or len(there))]
    options, cluster = context.options(storage), project.recipe.cluster
    at_once = "on a cluster" if cluster.address else f"{len(devices)} at a time"
    console.say(f"search {options.name}: {options.trials} trials, {at_once}, in {context.folder}")
    try:
        if cluster.address:
            run_on(cluster, context, options, count, deadline)
        else:
            workers.launch(options, partial(objective.make_objective, context, len(devices)), devices, deadline)
    finally:
        with suppress(UserError):  # an error of before is what is told
            _show(options)
    verdict = None
    try:
        verdict = verdict_of(project, context, options, devices, deadline) if again else None
    finally:
        with studies.read(options) as study:
            if studies.finished(studies.trials(study)):
                show(project.places.report("search"), page_of("search", study, context, verdict, project.recipe_path))


def run_on(
    cluster: Cluster, context: SearchContext, options: StudyOptions, count: int | None, deadline: float | None
) -> None:
    """Run the trials on the nodes of a cluster.

    Args:
        cluster: Its address, and what a process needs.
        context: What all trials share.
        options: The study.
        count: Trials at a time; None: as many as the nodes run.
        deadline: Seconds since the epoch, or None.

    Raises:
        Paused: The deadline or a signal came first.
        UserError: A node does not fit.
    """
    from ffdi.search import objective
    from ffdi.training.cluster import needs_of

    with session.connected(cluster.address):
        check(context.folder, [context.images])
        needs = needs_of(cluster.model_copy(update={"gpus_per_fold": 1}), context.jobs(context.base))
        make = partial(objective.make_on_node, context, needs)
        workers.launch_on_cluster(options, make, needs, count, deadline)


def status(project: Project, storage: str) -> None:
    """Show where the search stands; it may be running."""
    from ffdi.report.search import best

    options = context_of(project).options(storage)
    with studies.read(options) as study:
        shown = best(studies.finished(studies.trials(study)))
    console.table(shown.title, shown.columns, shown.rows)
    _show(options)


def promote(project: Project, storage: str) -> None:
    """Write what beats the default on fresh seeds into the recipe. Raises UserError while re-runs are missing."""
    context = context_of(project)
    verdict = verdict_of(project, context, context.options(storage))
    if verdict is not None:
        console.say(promotion.promote(project.recipe_path, context, verdict))


def context_of(project: Project) -> SearchContext:
    """Return what the recipe's trials share. Raise UserError if it has no search, or folds are missing."""
    return make_context(project.recipe, project.competition, *project.tables(), project.images, project.places)


def verdict_of(
    project: Project,
    context: SearchContext,
    options: StudyOptions,
    devices: Sequence[str] = (),
    deadline: float | None = None,
) -> Verdict | None:
    """Return what the re-runs say; None without a candidate.

    Args:
        project: Of the search.
        context: Of the search.
        options: Of the study.
        devices: Missing re-runs are trained on them; none: they are missed.
        deadline: Seconds since the epoch.
    """
    with studies.read(options) as study:
        chosen = confirm.candidates(context, studies.trials(study))
    if len(chosen) == 1:
        console.say(f"{SAME} Nothing is run again, and {project.recipe_path} stays as it is.")
        return None
    planned = confirm.plan(context.without_proxy(), chosen)
    if devices:
        confirm.run(planned, devices, deadline, project.recipe.cluster)
    return confirm.verdict(chosen, planned)


def _show(options: StudyOptions) -> None:
    with studies.read(options) as study:
        found = studies.trials(study)
    failed = [trial for trial in found if studies.state(trial) == "failed"][-SHOWN:]
    if failed:
        console.table("failed", ["trial", "because"], [[one.number, one.user_attrs[studies.ERROR]] for one in failed])
    counts = ", ".join(f"{count} {name}" for name, count in Counter(map(studies.state, found)).items())
    console.say(f"{counts or 'no trial yet'}; budget {options.trials} trials")
