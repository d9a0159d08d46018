"""AUC against scikit-learn, ranks and CSV against pandas, hill climbing against the plain loop: N = 524,000 rows.

scikit-learn gets int8 labels, with which it is fastest (x1.5 against int64). One core, CPU seconds; the searches are
timed by the wall clock too, as they use all cores. Of the plain loop one evaluation is timed: it makes one a move.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

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
            yield title, searches(members, copies, clock)


def pool(members: int, copies: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of members as one contest makes them, or of near-copies whose AUCs differ by some 1e-5."""
    draw = rng("bench", "pool", members)
    target = (draw.random(N) < 0.5).astype(np.int8)
    common = draw.normal(size=N)
    own = 0.01 if copies else 0.7
    skill = 1.2 + (1e-4 if copies else 0.1) * draw.normal(size=members)
    return np.stack([rank(s * target + common + own * draw.normal(size=N)) for s in skill]), target


def searches(members: int, copies: bool, clock: Callable[[], float]) -> list[Ratio]:
    """Time a round of hill climbing against the plain loop, of which one call is timed."""
    features_MN, target_N = pool(members, copies)
    score_N, moves = features_MN[0], [(member, 20 - step, step) for member in range(members) for step in range(1, 11)]
    scorer = AucScorer(features_MN, target_N)
    candidates: dict[str, Callable[[], object]] = {
        "one roc_auc_score of the plain loop": lambda: roc_auc_score(target_N, score_N),
        "ffdi hill climbing": lambda: scorer.best(scorer.grid_MN[0], moves, 20),
    }
    plain, ours = compare(candidates, 3, clock)
    calls = len(moves)
    return [plain, replace(ours, ratio=calls * ours.ratio, low=calls * ours.low, high=calls * ours.high)]


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
