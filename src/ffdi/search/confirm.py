"""Train the best trials again, beside the default: fresh seeds, every fold, no proxy; and the verdict.

Who leads after many looks owes part of the lead to luck; only seeds that the search has not seen tell how much. All
candidates get the same seeds and folds, so differences to the default are paired by (seed, fold). The folds of a
cross-validation share most of their training rows, so s / sqrt(n) is too small; Nadeau and Bengio (2003) put
1 / n + held out / trained in the place of 1 / n, with n - 1 degrees of freedom (for repeated folds: Bouckaert and
Frank, 2004). The level is shared among all trials that were ever run again (Bonferroni), since the best is taken.

n pairs = seeds x folds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial

from ffdi.config.recipe import Cluster, Member
from ffdi.core import console, keys
from ffdi.core.errors import UserError
from ffdi.metrics.delong import Interval
from ffdi.search import space
from ffdi.search.context import SearchContext, score_of
from ffdi.search.study import finished
from ffdi.training.job import FoldJob

DEFAULT = "default"
LEVEL = 0.95  # of all intervals together


@dataclass(frozen=True)
class Candidate:
    """`member`: at full settings, with the recipe's seed; `trial`: where it comes from, None for the default."""

    name: str
    member: Member
    trial: FrozenTrial | None = None


@dataclass(frozen=True)
class Row:
    """One candidate: `fresh` is its score on fresh seeds, with the deviation `sd` over them."""

    candidate: Candidate
    fresh: float
    sd: float
    gain: Interval | None = None  # over the default; None for the default itself

    @property
    def is_better(self) -> bool:
        return self.gain is not None and self.gain.low > 0


@dataclass(frozen=True)
class Verdict:
    """`rows`: the default first, then as the search ranked them."""

    rows: tuple[Row, ...]
    seeds: int
    folds: int

    @property
    def default(self) -> Row:
        return self.rows[0]

    @cached_property
    def best(self) -> Row | None:
        """Return the best on fresh seeds among those that beat the default beyond noise, or, without any, among all."""
        return max(self.rows[1:], key=lambda row: (row.is_better, row.fresh), default=None)

    @property
    def winner(self) -> Row | None:
        return self.best if self.best and self.best.is_better else None

    @property
    def design(self) -> str:
        """Return what the pairs are: '3 fresh seeds x 5 folds'."""
        return f"{self.seeds} fresh seeds x {self.folds} folds"

    @property
    def sentence(self) -> str:
        """Return the result in plain words."""
        row = self.best
        if row is None or row.gain is None:
            return "No trial was run again, so nothing can be compared with the default."
        difference = f"{row.gain.value:+.4f} ({row.gain.low:+.4f} to {row.gain.high:+.4f}, {self.design})"
        if row.is_better:
            return f"{row.candidate.name.capitalize()} beats the default beyond noise: {difference}."
        return f"Nothing beats the default beyond noise; the best, {row.candidate.name}, differs by {difference}."


def judge(candidates: Sequence[Candidate], scores: pd.DataFrame, share: float, looks: int) -> Verdict:
    """Compare every candidate with the default.

    Args:
        candidates: The default first.
        scores: candidate, seed, fold and score of every re-run.
        share: Rows held out for each row trained on.
        looks: Trials that were compared with the default until now, these included.
    """
    by_pair = scores.pivot(index=["seed", "fold"], columns="candidate", values="score")
    by_seed = scores.groupby(["candidate", "seed"])["score"].mean()
    level, rows = 1 - (1 - LEVEL) / looks, []
    for one in candidates:
        difference_N = (by_pair[one.name] - by_pair[DEFAULT]).to_numpy()
        gain = None if one.name == DEFAULT else paired(difference_N, share, level)
        rows.append(Row(one, float(by_pair[one.name].mean()), float(by_seed[one.name].std(ddof=1)), gain))
    return Verdict(tuple(rows), scores["seed"].nunique(), scores["fold"].nunique())


def paired(difference_N: np.ndarray, share: float, level: float) -> Interval:
    """Return the mean of paired differences with the corrected t interval; without limits for a single pair.

    Args:
        difference_N: Of the scores, one a pair.
        share: Rows held out for each row trained on; folds that share training rows vary less than they should.
        level: Of the interval.
    """
    from scipy.stats import t

    count, mean = len(difference_N), float(difference_N.mean())
    if count < 2:
        return Interval(mean, -math.inf, math.inf, math.inf)
    se = float(difference_N.std(ddof=1)) * math.sqrt(1 / count + share)
    half = float(t.ppf((1 + level) / 2, count - 1)) * se
    return Interval(mean, mean - half, mean + half, se)


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
    planned = []
    for number, seed in enumerate(seeds(full), 1):
        for one in chosen:
            name = f"{one.member.name}-{f't{one.trial.number}' if one.trial else DEFAULT}-seed{number}"
            jobs = full.jobs(one.member.model_copy(update={"name": name, "seed": seed}))
            planned += [Rerun(one.name, number, job) for job in jobs]
    return planned


def seeds(context: SearchContext) -> list[int]:
    """Return the fresh seeds; with a larger `rerun_seeds` the first ones stay what they were."""
    search = context.search
    return [keys.key(search.seed, "rerun", number) % 2**31 for number in range(search.rerun_seeds)]


def run(
    planned: Sequence[Rerun], devices: Sequence[str], deadline: float | None, cluster: Cluster | None = None
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
        console.say(f"{len(left)} of {len(planned)} re-runs to do: the best trials and the default, on all folds")
        launch.train(left, list(devices), deadline, cluster)
    for one in planned:
        one.job.folder.weights.unlink(missing_ok=True)


def verdict(chosen: Sequence[Candidate], planned: Sequence[Rerun]) -> Verdict:
    """Compare the candidates, the default first, by their re-runs. Raises UserError when some are not done."""
    scores = [(one.candidate, one.seed, int(one.job.fold), one.score) for one in planned]
    left = sum(score is None for *_, score in scores)
    if left:
        raise UserError(f"{left} of {len(planned)} re-runs are not done; run ffdi search (make search) to the end.")
    job = planned[0].job
    held_out = [float((job.fit["fold"] == fold).mean()) for fold in sorted({int(one.job.fold) for one in planned})]
    runs = job.folder.parents[1].glob(f"{chosen[0].member.name}-t*-seed*")
    looks = {path.name.rpartition("-seed")[0] for path in runs}  # also of trials that no longer are among the best
    frame = pd.DataFrame(scores, columns=["candidate", "seed", "fold", "score"])
    return judge(chosen, frame, fmean(one / (1 - one) for one in held_out), len(looks))
