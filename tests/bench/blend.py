"""AUC against scikit-learn, ranks and CSV against pandas, greedy selection against the plain loop: N = 524,000 rows.

    python -m tests.bench.blend

scikit-learn gets int8 labels, with which it is fastest (x1.5 against int64). One core.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ffdi.base.keys import rng
from ffdi.blend import judge
from ffdi.blend.search import ROUNDS, greedy
from ffdi.score.auc import auc
from ffdi.score.interval import delong
from ffdi.score.ranks import rank
from ffdi.spec.load import load_competition
from ffdi.submit.check import check_bytes, render
from tests.bench.timing import Ratio, compare

N = 524_000


def scores() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """int8 targets and logits as float32, as float64, and with ties (two decimals)."""
    draw = rng("bench", "blend")
    target = (draw.random(N) < 0.5).astype(np.int8)
    logit = draw.normal(size=N) + target
    return target, {"float32": logit.astype(np.float32), "float64": logit, "two decimals": logit.round(2)}


def sections(rounds: int = 9) -> dict[str, list[Ratio]]:
    target, by_kind = scores()
    found = {}
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
        found[f"AUC, {kind} (off by {error:.0e})"] = compare(aucs, rounds)
        found[f"ranks, ties averaged, {kind}"] = compare(ranks, rounds)
    found["submission of 524,000 rows"] = compare(files(), max(3, rounds // 3))
    found[f"greedy, 20 members, {ROUNDS} rounds, against the plain loop"] = searches()
    found[f"greedy, 20 near-copies, {ROUNDS} rounds, against the plain loop"] = searches(copies=True)
    return found


def pool(members: int, copies: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of members as one contest makes them, or of near-copies whose AUCs differ by some 1e-5."""
    draw = rng("bench", "pool", members)
    target = (draw.random(N) < 0.5).astype(np.int8)
    common = draw.normal(size=N)
    own = 0.01 if copies else 0.7
    skill = 1.2 + (1e-4 if copies else 0.1) * draw.normal(size=members)
    return np.stack([rank(s * target + common + own * draw.normal(size=N)) for s in skill]), target


def searches(members: int = 20, copies: bool = False, rounds: int = ROUNDS) -> list[Ratio]:
    """Greedy selection against the plain loop, of which one call is timed: it makes members x rounds of them."""
    features_MN, target_N = pool(members, copies)
    score_N = features_MN[0]
    ratios = compare(
        {
            "one roc_auc_score of the plain loop": lambda: roc_auc_score(target_N, score_N),
            "greedy, compiled": lambda: greedy(features_MN, target_N, rounds, bags=1),
            "greedy, NumPy alone": lambda: _plainly(features_MN, target_N, rounds),
        },
        rounds=3,
    )
    calls = members * rounds
    return [
        ratios[0],
        *[replace(one, ratio=calls * one.ratio, low=calls * one.low, high=calls * one.high) for one in ratios[1:]],
    ]


def _plainly(features_MN: np.ndarray, target_N: np.ndarray, rounds: int) -> np.ndarray:
    limit, judge.COMPILED_FROM = judge.COMPILED_FROM, 1 << 62
    try:
        return greedy(features_MN, target_N, rounds, bags=1)
    finally:
        judge.COMPILED_FROM = limit


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
    for title, ratios in sections().items():
        print(title, *ratios, sep="\n  ")


if __name__ == "__main__":
    main()
