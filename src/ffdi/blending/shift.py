"""A correction of an AUC on the logit scale, with its standard error, and AUCs on that scale."""

import math
from dataclasses import dataclass

MARGIN = 1e-6  # from 0 and 1, where an AUC has no logit


@dataclass(frozen=True)
class Shift:
    """`value` is added to the logit of an AUC; `se` is its standard error."""

    value: float = 0.0
    se: float = 0.0


NO_SHIFT = Shift()


def logit(auc: float) -> float:
    """Return log(auc / (1 - auc)), with the AUC kept off 0 and 1."""
    inside = min(max(auc, MARGIN), 1 - MARGIN)
    return math.log(inside / (1 - inside))
