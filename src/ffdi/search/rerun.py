"""The best trials again, with the default beside them: fresh seeds, every fold, no proxy.

Whoever leads after many looks owes part of the lead to luck; only seeds that the search has not seen tell how much.
All candidates get the same seeds and folds, so that differences to the default are paired.

S seeds, F folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from ffdi.config.recipe import Member
from ffdi.config.search import Proxy
from ffdi.core import checksum, keys
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.search import objective, space
from ffdi.search.ground import Ground
from ffdi.search.results import SCORES, Result, finished
from ffdi.training.job import FoldJob

DEFAULT = "default"


@dataclass(frozen=True)
class Candidate:
    """`member`: at full settings, with the recipe's seed; `trial`: where it comes from, None for the default."""

    name: str
    member: Member
    trial: Result | None = None


@dataclass(frozen=True)
class Rerun:
    """One fold of one candidate under one fresh seed."""

    candidate: str
    seed: int
    job: FoldJob

    @property
    def scores(self) -> Mapping[str, float] | None:
        """As `objective.worth` wants them; None if it is not done. Raises CorruptError if they are damaged."""
        path = self.job.folder / SCORES
        return checksum.read_json(path)["scores"] if path.exists() else None


def whole(ground: Ground, manifest: pd.DataFrame, folds: pd.DataFrame) -> Ground:
    """The ground without its proxy: all rows and folds, as `ffdi train` has them."""
    search = ground.search.model_copy(update={"proxy": Proxy()})
    rows = manifests.select(manifest, ground.recipe.data.train_splits, usable=False)
    return replace(ground, search=search, manifest=rows, folds=folds)


def candidates(ground: Ground, found: list[Result]) -> list[Candidate]:
    """The default, then the best finished trials, at most `top_k`; none that is the default again."""
    base = space.base_of(ground.recipe)
    chosen = [Candidate(DEFAULT, base)]
    for one in finished(found)[: ground.search.top_k]:
        member = one.member(ground, proxy=False)
        if member != base:
            chosen.append(Candidate(f"trial {one.number}", member, one))
    return chosen


def plan(full: Ground, chosen: Sequence[Candidate]) -> list[Rerun]:
    """Every fold of every candidate under every fresh seed, seed by seed; `full`: from `whole`."""
    return [
        Rerun(one.name, number, job)
        for number, seed in enumerate(seeds(full), 1)
        for one in chosen
        for job in full.jobs(one.member.model_copy(update={"name": _run_name(one, number), "seed": seed}))
    ]


def seeds(ground: Ground) -> list[int]:
    """Of the re-runs. A seed of their own names them, so raising `rerun_seeds` adds to those that are done."""
    search = ground.search
    return [keys.key(search.seed, "rerun", number) % 2**31 for number in range(search.rerun_seeds)]


def run(full: Ground, planned: Sequence[Rerun], on: Sequence[str], deadline: float | None) -> None:
    """Train and score what is not done, one fold a device. Weights go when their scores stand, as those of trials do.

    Raises Paused after a stop (all is saved), LockedError while another process has one of the folds.
    """
    import torch

    from ffdi.search import trial
    from ffdi.training import launch
    from ffdi.training.world import World

    left = [one.job for one in planned if one.scores is None]
    if not left:
        return
    trial.prepare(full)
    launch.train(left, list(on), deadline)
    examiner = trial.Examiner(full, World(torch.device(on[0])), 0)
    launch.prepare(examiner.world.device)
    with Stop(deadline) as stop:
        for job in launch.with_loaders(left, on[:1]):
            examiner.scores(job, stop)


def scored(full: Ground, planned: Sequence[Rerun]) -> pd.DataFrame:
    """candidate, seed, fold, score (what the search maximises, of that fold) and auc. A fold without a slice that has
    enough images says nothing about the worst one and is left out.

    Raises UserError if some are not done, or no fold says anything.
    """
    done = [scores for one in planned if (scores := one.scores) is not None]
    if len(done) < len(planned):
        left = len(planned) - len(done)
        raise UserError(f"{left} of {len(planned)} re-runs are not done; run ffdi search (make search) to the end.")
    objective.worth(full.search, done)  # raises if no fold says anything
    rows = [
        (one.candidate, one.seed, int(one.job.fold), objective.worth(full.search, [scores]), scores["auc"])
        for one, scores in zip(planned, done, strict=True)
        if objective.has_score(full.search, scores)
    ]
    return pd.DataFrame(rows, columns=["candidate", "seed", "fold", "score", "auc"])


def held_out_share(planned: Sequence[Rerun]) -> float:
    """Rows held out for each row trained on, mean over the folds."""
    return fmean(len(job.oof) / len(job.train) for job in {one.job.fold: one.job for one in planned}.values())


def _run_name(one: Candidate, number: int) -> str:
    part = f"t{one.trial.number}" if one.trial else DEFAULT
    return f"{one.member.name}-{part}-seed{number}"
