"""A search that nobody ran: trials, workers and scores that look like one, without a study or training."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.load import load_competition, load_recipe
from ffdi.core import keys
from ffdi.search.ground import Ground
from ffdi.search.rerun import Candidate, candidates
from ffdi.search.results import Result
from ffdi.search.study import Wishes
from ffdi.search.verdict import Verdict, judge

BEGIN = datetime(2026, 11, 20, 9, 0)
NONE = pd.DataFrame({"id": [], "split": []})


def ground(path: Path) -> Ground:
    """Of the recipe at `path`; there are no rows."""
    recipe = load_recipe(path)
    assert recipe.search is not None
    competition = load_competition(recipe.competition)
    place = path.parent
    return Ground(recipe, recipe.search, competition, NONE, NONE, place, None, place / f"{recipe.name}-1234abcd")


def results(wishes: Wishes, count: int = 24) -> list[Result]:
    """Two workers; some trials pruned, one failed, one killed and gone on with, the last still running."""
    draw = keys.rng("made up")
    found = []
    for number in range(count):
        unit = draw.random(len(wishes.space))
        params = {
            name: kind.choices[int(u * len(kind.choices))] if hasattr(kind, "choices") else _between(kind, u)
            for (name, kind), u in zip(wishes.space.items(), unit, strict=True)
        }
        state = {3: "interrupted", 5: "failed", count - 1: "running"}.get(
            number, "pruned" if unit[0] > 0.7 else "complete"
        )
        score = 0.9 - 0.1 * float((unit[0] - 0.4) ** 2) - 0.02 * float(unit[-1]) + 0.01 * float(draw.normal())
        began = BEGIN + timedelta(minutes=6 * (number // 2), seconds=40 * (number % 2))
        ended = None if state == "running" else began + timedelta(minutes=2 if state == "pruned" else 5)
        found.append(
            Result(
                number=number, draw=number, state=state, params=params, folds={}, curve={}, spec=f"{number:08x}",
                score=score if state in ("complete", "pruned") else None, seconds=0 if ended is None else 200.0,
                worker=f"host{number % 2}-77-1", error="no memory" if state == "failed" else "",
                began=began, ended=ended,
            )
        )  # fmt: skip
    return found


def scores(chosen: Sequence[Candidate], gains: Sequence[float], noise: float = 0.004, seeds: int = 3) -> pd.DataFrame:
    """As `rerun.scored`: the default at 0.88, each trial so much better, five folds that differ alike for all."""
    draw = keys.rng("made up scores")
    rows = []
    for seed in range(seeds):
        for fold in range(5):
            for one, gain in zip(chosen, [0.0, *gains], strict=True):
                score = 0.88 + 0.01 * fold + gain + noise * float(draw.normal())
                rows.append((one.name, seed, fold, score, score))
    return pd.DataFrame(rows, columns=["candidate", "seed", "fold", "score", "auc"])


def verdict(ground: Ground, found: list[Result], gains: Sequence[float]) -> Verdict:
    chosen = candidates(ground, found)
    return judge(chosen, scores(chosen, gains[: len(chosen) - 1]), 0.25)


def importance(wishes: Wishes) -> dict[str, float]:
    share = np.geomspace(1, 0.1, len(wishes.space))
    return dict(zip(wishes.space, (share / share.sum()).tolist(), strict=True))


def _between(kind: object, unit: float) -> float:
    low, high = kind.low, kind.high  # type: ignore[attr-defined]
    if kind.log:  # type: ignore[attr-defined]
        return float(low * (high / low) ** unit)
    value = low + (high - low) * unit
    return int(value) if isinstance(low, int) else float(value)
