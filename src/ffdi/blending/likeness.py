"""How alike members rank the images, and on which images they differ.

Shapes: M members, N rows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ffdi.metrics.ranks import rank

CHANCE = 1 / 3  # mean distance of two rankings that know nothing of each other


def correlation(ranks_MN: np.ndarray) -> np.ndarray:
    """Spearman's, [M, M]."""
    return np.atleast_2d(np.corrcoef(ranks_MN))


def disagreement(ranks_MN: np.ndarray) -> np.ndarray:
    """Mean distance of the places that two members give an image, as a share of the list: 0 alike, 1/3 by chance."""
    return np.stack([np.abs(ranks_MN - mine_N).mean(axis=1) for mine_N in ranks_MN])


def shares(scores: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Positions of the rows as shares of the list [M, N], near 0 the most original, near 1 the most fake."""
    return np.stack([rank(scores[name]) for name in names])


def clustered(correlation_MM: np.ndarray) -> list[int]:
    """An order in which like members stand together: the leaves of average linkage over 1 - correlation."""
    if len(correlation_MM) < 3:
        return list(range(len(correlation_MM)))
    from scipy.cluster.hierarchy import leaves_list, linkage  # here: verbs start without them
    from scipy.spatial.distance import squareform

    apart_MM = np.clip(1 - correlation_MM, 0, 2)
    np.fill_diagonal(apart_MM, 0)
    apart_MM = (apart_MM + apart_MM.T) / 2
    return leaves_list(linkage(squareform(apart_MM), "average", optimal_ordering=True)).tolist()


def disputed(scores: pd.DataFrame, names: Sequence[str], most: int) -> pd.DataFrame:
    """The rows whose places differ most between members (standard deviation).

    Columns `low` and `high` name who puts the image lowest and highest, `least` and `greatest` are its places there.
    """
    ranks_MN = shares(scores, names)
    spread_N = ranks_MN.std(axis=0)
    order = np.argsort(-spread_N, kind="stable")[:most]
    chosen_MK = ranks_MN[:, order]
    return scores.iloc[order].assign(
        low=[names[place] for place in chosen_MK.argmin(axis=0)],
        high=[names[place] for place in chosen_MK.argmax(axis=0)],
        least=chosen_MK.min(axis=0),
        greatest=chosen_MK.max(axis=0),
    )
