"""Train the best trials again, beside the default: fresh seeds, every fold, no proxy.

Who leads after many looks owes part of the lead to luck; only seeds that the search has not seen tell how much. All
candidates get the same seeds and folds, so that their differences to the default are paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd
from optuna.trial import FrozenTrial

from ffdi.config.recipe import Cluster
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.search import space
from ffdi.search.context import SearchContext, score_of
from ffdi.search.study import finished
from ffdi.search.verdict import DEFAULT, Candidate, Verdict, judge
from ffdi.training.job import FoldJob


@dataclass(frozen=True)
class Rerun:
    """One fold of one candidate under one fresh seed."""

    candidate: str
    seed: int
    job: FoldJob

    @property
    def score(self) -> float | None:
        """Return the held-out AUC; None if it is not done. Raises CorruptError if it is damaged."""
        return score_of(self.job) if self.job.folder.done.exists() else None


def candidates(context: SearchContext, found: list[FrozenTrial]) -> list[Candidate]:
    """Return the default, then the best finished trials, at most `top_k`; none that is the default again."""
    base = space.searched_member(context.recipe)
    members = [(trial, space.applied(base, trial.params)) for trial in finished(found)[: context.search.top_k]]
    chosen = [Candidate(f"trial {trial.number}", member, trial) for trial, member in members if member != base]
    return [Candidate(DEFAULT, base), *chosen]


def plan(full: SearchContext, chosen: Sequence[Candidate]) -> list[Rerun]:
    """Return every fold of every candidate under every fresh seed; `full`: from `SearchContext.without_proxy`."""
    return [
        Rerun(one.name, number, job)
        for number, seed in enumerate(seeds(full), 1)
        for one in chosen
        for job in full.jobs(one.member.model_copy(update={"name": _run_name(one, number), "seed": seed}))
    ]


def seeds(context: SearchContext) -> list[int]:
    """Return the fresh seeds; with a larger `rerun_seeds` the first ones stay what they were."""
    search = context.search
    return [keys.key(search.seed, "rerun", number) % 2**31 for number in range(search.rerun_seeds)]


def run(
    planned: Sequence[Rerun],
    devices: Sequence[str],
    deadline: float | None,
    cluster: Cluster | None = None,
) -> None:
    """Train and score what is not done, one fold a device, or on a cluster that has an address.

    Weights are removed then: only scores are needed.

    Args:
        planned: As `plan` made them.
        devices: One fold at a time on each.
        deadline: Seconds since the epoch; None: no deadline.

    Raises:
        Paused: The deadline or a signal came first; all is saved.
        LockedError: Another process has one of the folds.
    """
    from ffdi.training import launch

    left = [one.job for one in planned if one.score is None]
    if left:
        launch.train(left, list(devices), deadline, cluster)
    for one in planned:
        one.job.folder.weights.unlink(missing_ok=True)


def verdict(chosen: Sequence[Candidate], planned: Sequence[Rerun]) -> Verdict:
    """Compare the candidates, the default first, by their re-runs. Raises UserError when some are not done."""
    held_out = fmean(len(job.oof) / len(job.train) for job in {one.job.fold: one.job for one in planned}.values())
    return judge(chosen, scored(planned), held_out)


def scored(planned: Sequence[Rerun]) -> pd.DataFrame:
    """Return candidate, seed, fold and score of every re-run. Raises UserError when some are not done."""
    rows = [(one.candidate, one.seed, int(one.job.fold), score) for one in planned if (score := one.score) is not None]
    if len(rows) < len(planned):
        left = len(planned) - len(rows)
        raise UserError(f"{left} of {len(planned)} re-runs are not done; run ffdi search (make search) to the end.")
    return pd.DataFrame(rows, columns=["candidate", "seed", "fold", "score"])


def _run_name(one: Candidate, number: int) -> str:
    return f"{one.member.name}-{f't{one.trial.number}' if one.trial else DEFAULT}-seed{number}"
