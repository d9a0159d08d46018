"""The rule of `auto` against every fixed method on simulated contests: true AUC on 20,000 fresh rows.

    python -m tests.bench blend_rule [SETS]

Sets differ in rows (300 to 20,000), members (2 to 24), skill and its spread, correlation, kinds of fakes, the share of
weak members, tails, and the scale of each fold model. Differences are paired over the sets.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ffdi.blending.choose import choose
from ffdi.blending.methods import METHODS, combine
from ffdi.blending.nested import NestedCV, OofRows
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

SETS, FOLDS, TRUE_ROWS = 240, 5, 20_000


@dataclass(frozen=True)
class Simulated:
    """Out-of-fold rows, and logits and targets of the fresh rows."""

    rows: OofRows
    true_MN: np.ndarray
    true_N: np.ndarray


def log_uniform(draw: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def simulate(number: int) -> Simulated:
    draw = rng("blend rule", number)
    rows, members, kinds = int(log_uniform(draw, 300, 20_000)), int(log_uniform(draw, 2, 25)), int(draw.integers(1, 6))
    share, skill, spread = draw.uniform(0.3, 0.7), draw.uniform(0.8, 3.0), log_uniform(draw, 0.01, 0.3)
    common = draw.uniform(0.2, 0.9)  # share of the noise that all members have
    by_member, by_both = draw.normal(size=(members, 1)), draw.normal(size=(members, kinds))
    skill_MF = skill * np.exp(spread * by_member + 0.3 * spread * by_both + 0.3 * draw.normal(size=kinds))
    weak_M = draw.random(members) < draw.choice([0, 0, 0.2])
    skill_MF[weak_M] *= draw.uniform(0, 0.5)
    noise_M = np.sqrt(1 - common) * np.exp(0.1 * draw.normal(size=members))
    scale_M = np.exp(0.3 * draw.normal(size=members))
    scale_MK = np.exp(0.1 * draw.normal(size=(members, FOLDS)))
    heavy = draw.random() < 0.5

    def logits(size: int) -> tuple[np.ndarray, np.ndarray]:
        target_N, kind_N = (draw.random(size) < share).astype(np.int8), draw.integers(0, kinds, size)
        shape = (members, size)
        own_MN = draw.standard_t(4, size=shape) / np.sqrt(2) if heavy else draw.normal(size=shape)
        shared_N = np.sqrt(common) * draw.normal(size=size)
        logit_MN = skill_MF[:, kind_N] * target_N + shared_N + noise_M[:, None] * own_MN
        return target_N, logit_MN * scale_M[:, None]

    (target_N, oof_MN), (true_N, true_MN) = logits(rows), logits(TRUE_ROWS)
    fold_N = np.arange(rows) % FOLDS
    names = [f"m{member:02d}" for member in range(members)]
    held = OofRows(names, oof_MN * scale_MK[:, fold_N], fold_N, fold_N, target_N, None)
    return Simulated(held, true_MN, true_N)


def compare(one: Simulated) -> tuple[str, dict[str, float]]:
    """Return the choice of `auto`, and the true AUC of every method."""
    placed, true, one_fold_N = {}, {}, np.zeros(TRUE_ROWS, np.int64)
    for name, method in METHODS.items():
        cv = NestedCV(method, one.rows, method.features(one.rows.logits_HN, one.rows.fold_N))
        placed[name] = one.rows.placements(cv.nested())
        true[name] = auc(one.true_N, combine(method.features(one.true_MN, one_fold_N), cv.weights()))
    return choose(placed), true


def main(wanted: str = str(SETS)) -> None:
    sets = int(wanted)
    found = [compare(simulate(number)) for number in range(sets)]
    auto_S = np.array([true[choice] for choice, true in found])
    print(
        f"{sets} sets; true AUC of auto {auto_S.mean():.4f}; it took {dict(Counter(c for c, _ in found).most_common())}"
    )
    print("1e-4 of AUC, mean ± standard error over the sets")
    for name in METHODS:
        gain_S = 1e4 * (auto_S - np.array([true[name] for _, true in found]))
        print(f"  auto less {name:<20} {gain_S.mean():+8.2f} ± {gain_S.std(ddof=1) / sets**0.5:5.2f}")
