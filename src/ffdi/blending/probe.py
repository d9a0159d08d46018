"""A linear probe: logistic regression on embeddings, each row scored by one that was not fitted to it.

Shapes: N rows, D features.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.features import Array, Target

PARTS = 5
STRENGTH = 0.01  # C of scikit-learn, on standardised features: of 0.001 to 0.1 it had the best AUC or was level


def crossfit(
    features_ND: Array,
    target_N: Array | Target,
    part_N: NDArray[np.int64],
    fit_N: NDArray[np.bool_] | None = None,
    weight_N: Array | None = None,
) -> Array:
    """Return the logit of each row by the probe that was fitted to the other parts; 0 if these lack a class.

    Args:
        features_ND: any scale.
        target_N: 0 or 1.
        part_N: rows that belong together have one part.
        fit_N: False: the row is scored and never fitted to.
        weight_N: of the rows in the fit.
    """
    from sklearn.linear_model import LogisticRegression  # late: it would delay the start of every verb

    spread_D = features_ND.std(axis=0)
    scaled_ND = (features_ND - features_ND.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1)
    fit_N = np.ones(len(target_N), bool) if fit_N is None else fit_N
    weight_N = np.ones(len(target_N)) if weight_N is None else weight_N
    logit_N = np.zeros(len(target_N))
    for part in np.unique(part_N):
        inside_N = part_N == part
        rows_N = ~inside_N & fit_N
        if len(np.unique(target_N[rows_N])) < 2:
            continue
        model = LogisticRegression(C=STRENGTH, max_iter=300).fit(scaled_ND[rows_N], target_N[rows_N], weight_N[rows_N])
        logit_N[inside_N] = model.decision_function(scaled_ND[inside_N])
    return logit_N
