"""AUC against scikit-learn, ranks and CSV against pandas, hill climbing against the plain loop: N = 524,000 rows.

    python -m tests.bench.blend

scikit-learn gets int8 labels, with which it is fastest (x1.5 against int64). One core, CPU seconds; the searches are
timed by the wall clock too, as they use all cores. Of slow loops some evaluations are timed, and the rest reckoned:
the plain loop makes as many as there are moves. AutoGluon and hillclimbers are shown if they are installed.
"""

import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ffdi.blending.scorer import AucScorer
from ffdi.config.load import load_competition
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import delong
from ffdi.metrics.ranks import rank
from ffdi.submission.check import check_bytes, render
from tests.bench.timing import Ratio, compare

N = 524_000


def scores() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """int8 targets and logits as float32, as float64, and with ties (two decimals)."""
    draw = rng("bench", "blend")
    target = (draw.random(N) < 0.5).astype(np.int8)
    logit = draw.normal(size=N) + target
    return target, {"float32": logit.astype(np.float32), "float64": logit, "two decimals": logit.round(2)}


def sections(rounds: int = 9) -> Iterator[tuple[str, list[Ratio]]]:
    target, by_kind = scores()
    for kind, logit in by_kind.items():
        error = abs(auc(target, logit) - roc_auc_score(target, logit))
        aucs: dict[str, Callable[[], object]] = {
            "scikit-learn roc_auc_score": partial(roc_auc_score, target, logit),
            "ffdi auc": partial(auc, target, logit),
            "ffdi delong (AUC and interval)": partial(delong, target, logit),
        }
        ranks: dict[str, Callable[[], object]] = {
            "pandas rank(pct=True)": partial(pd.Series(logit).rank, pct=True),
            "ffdi rank": partial(rank, logit),
        }
        yield f"AUC, {kind} (off by {error:.0e})", compare(aucs, rounds)
        yield f"ranks, ties averaged, {kind}", compare(ranks, rounds)
    yield "submission of 524,000 rows", compare(files(), max(3, rounds // 3))
    for members, copies in ((20, False), (20, True), (100, False)):
        kind = "near-copies" if copies else "members"
        for unit, clock in {"CPU": time.process_time, "wall": time.perf_counter}.items():
            title = f"one round of hill climbing, {members} {kind}, against the plain loop, {unit} seconds"
            yield title, searches(members, copies, clock=clock)


def _times(one: Ratio, calls: float) -> Ratio:
    return replace(one, ratio=calls * one.ratio, low=calls * one.low, high=calls * one.high)


def pool(members: int, copies: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of members as one contest makes them, or of near-copies whose AUCs differ by some 1e-5."""
    draw = rng("bench", "pool", members)
    target = (draw.random(N) < 0.5).astype(np.int8)
    common = draw.normal(size=N)
    own = 0.01 if copies else 0.7
    skill = 1.2 + (1e-4 if copies else 0.1) * draw.normal(size=members)
    return np.stack([rank(s * target + common + own * draw.normal(size=N)) for s in skill]), target


def searches(members: int = 20, copies: bool = False, clock: Callable[[], float] = time.process_time) -> list[Ratio]:
    """A round of hill climbing against the plain loop, of which one call is timed: it makes one a move."""
    features_MN, target_N = pool(members, copies)
    score_N, moves = features_MN[0], [(member, 20 - step, step) for member in range(members) for step in range(1, 11)]
    scorer = AucScorer(features_MN, target_N)
    plain = "one roc_auc_score of the plain loop"
    candidates: dict[str, Callable[[], object]] = {
        plain: lambda: roc_auc_score(target_N, score_N),
        "ffdi hill climbing": lambda: scorer.best(scorer.grid_MN[0], moves, 20),
    }
    others = peers(features_MN, target_N)
    calls = {"ffdi hill climbing": len(moves), **dict.fromkeys(others, 1)}
    ratios = compare(candidates | {name: run for name, (run, _) in others.items()}, 3, clock)
    for name, (_, count) in others.items():
        calls[name] = count
    return [_times(one, calls.get(one.name, 1)) for one in ratios]


def peers(features_MN: np.ndarray, target_N: np.ndarray) -> dict[str, tuple[Callable[[], object], int]]:
    """By name: a run, and how many candidate blends it tries."""
    found: dict[str, tuple[Callable[[], object], int]] = {}
    if find_spec("autogluon"):
        found["AutoGluon EnsembleSelection, one round"] = (partial(_autogluon, features_MN[:5], target_N), 5)
    if find_spec("hillclimbers"):
        found["hillclimbers, two members"] = (partial(_hillclimbers, features_MN[:2], target_N), 54)
    return found


def _autogluon(features_MN: np.ndarray, target_N: np.ndarray) -> None:
    from autogluon.core.metrics import roc_auc
    from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

    selection = EnsembleSelection(ensemble_size=1, problem_type="binary", metric=roc_auc)
    selection.fit(predictions=list(features_MN), labels=target_N)


def _hillclimbers(features_MN: np.ndarray, target_N: np.ndarray) -> None:
    import hillclimbers

    frame = pd.DataFrame(features_MN.T, columns=[str(member) for member in range(len(features_MN))])
    metric = hillclimbers.partial(roc_auc_score)
    with contextlib.redirect_stdout(io.StringIO()):
        hillclimbers.climb_hill(
            pd.DataFrame({"target": target_N}), frame, frame, "target", "maximize", metric, plot_hill=False
        )


def files() -> dict[str, Callable[[], object]]:
    competition = load_competition("multi-ffdi-phase2")
    ids = [hashlib.md5(str(i).encode()).hexdigest() + ".jpg" for i in range(N)]
    frame = pd.DataFrame({"img_name": ids, "y_pred": rng("bench", "csv").random(N)})
    data = render(frame, competition)
    return {
        "pandas to_csv": lambda: frame.to_csv(index=False),
        "ffdi render, same numbers": lambda: render(frame, competition),
        "ffdi check": lambda: check_bytes(data, "submission.csv", competition, ids),
    }


def main() -> None:
    for title, ratios in sections():
        print(title, *ratios, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
