"""One exact AUC against scikit-learn, ranks against pandas, a CSV against pandas: N = 524,000, the size of the contest.

    python -m tests.bench.blend

scikit-learn gets int8 labels, with which it is fastest (x1.5 against int64). One core.
"""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ffdi.base.keys import rng
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
    return found | {"submission of 524,000 rows": compare(files(), max(3, rounds // 3))}


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
