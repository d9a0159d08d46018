"""What test-time views buy and cost, from the logits stored by view: no image is looked at again.

Shapes: N held-out rows, W views.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ffdi.blending.features import Array
from ffdi.blending.members import Viewed
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, Placements, gain_interval, placements
from ffdi.metrics.ranks import rank_within

PLAIN = "identity"


@dataclass(frozen=True)
class View:
    """`alone`: AUC by itself. `buys`: AUC of all views less that of all the others. `cost`: in plain views."""

    name: str
    cost: float
    alone: float
    buys: Interval


@dataclass(frozen=True)
class MemberViews:
    """`base`: the view that the gains are over, alone. `chosen`: picked on all rows, as one would now.

    `all_gain`: AUC of the mean over all views less that of the base. `nested_gain`: the same for views that were
    picked on the other folds, so that picking does not flatter itself.
    """

    member: str
    views: tuple[View, ...]
    base: str
    base_auc: float
    all_gain: Interval
    nested_gain: Interval
    chosen: tuple[str, ...]

    def cost(self, names: Sequence[str]) -> float:
        """Of predicting these views, in plain views."""
        return sum(view.cost for view in self.views if view.name in names)


def judge(viewed: Viewed, level: float = 0.95) -> MemberViews:
    """`level`: of the intervals."""
    every = list(range(len(viewed.views)))
    base = viewed.views.index(PLAIN) if PLAIN in viewed.views else pick(viewed, viewed.folds_N >= 0)[0]
    alone = [_placed(viewed, [view]) for view in every]
    whole = _placed(viewed, every)
    views = tuple(
        View(
            viewed.views[view],
            viewed.costs_W[view],
            alone[view].value,
            gain_interval(whole - _placed(viewed, [other for other in every if other != view]), level),
        )
        for view in every
    )
    nested = placements(viewed.target_N, rank_within(_nested(viewed), viewed.folds_N))
    return MemberViews(
        viewed.name,
        views,
        viewed.views[base],
        alone[base].value,
        gain_interval(whole - alone[base], level),
        gain_interval(nested - alone[base], level),
        tuple(viewed.views[view] for view in sorted(pick(viewed, viewed.folds_N >= 0))),
    )


def pick(viewed: Viewed, rows_N: np.ndarray) -> list[int]:
    """From the best view on, the view that raises the AUC of the mean logit most, until none does."""
    target_N, folds_N, logits_NW = viewed.target_N[rows_N], viewed.folds_N[rows_N], viewed.logits_NW[rows_N]
    picked: list[int] = []
    highest = -1.0
    while len(picked) < len(viewed.views):
        rest = [view for view in range(len(viewed.views)) if view not in picked]
        aucs = [auc(target_N, rank_within(_mean(logits_NW, [*picked, view]), folds_N)) for view in rest]
        if max(aucs) <= highest:
            break
        highest = max(aucs)
        picked.append(rest[int(np.argmax(aucs))])
    return picked


def _nested(viewed: Viewed) -> Array:
    score_N = np.empty(len(viewed.target_N))
    for fold in np.unique(viewed.folds_N):
        inside_N = viewed.folds_N == fold
        score_N[inside_N] = _mean(viewed.logits_NW[inside_N], pick(viewed, ~inside_N))
    return score_N


def _placed(viewed: Viewed, views: Sequence[int]) -> Placements:
    return placements(viewed.target_N, rank_within(_mean(viewed.logits_NW, views), viewed.folds_N))


def _mean(logits_NW: Array, views: Sequence[int]) -> Array:
    return logits_NW[:, sorted(views)].mean(axis=1)
