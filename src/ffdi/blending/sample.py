"""A sample of the held-out and of the test images as embeddings: what the forecast looks at.

Shapes: N sampled held-out rows, T sampled test rows, D features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.core import checksum, digest
from ffdi.core.keys import rng
from ffdi.core.layout import Workspace

MODEL = "tf_efficientnet_lite0"  # whose weights a package brings
MAX_ROWS = 3_000  # of each: a minute and a half on two cores, and the standard error of an AUC is below 0.01


@dataclass(frozen=True)
class Sample:
    """`oof`, `test`: the sampled rows of the blend, in the order of their embeddings."""

    oof: pd.DataFrame
    test: pd.DataFrame
    oof_ND: np.ndarray
    test_TD: np.ndarray


def embedded(oof: pd.DataFrame, test: pd.DataFrame, images: Path, places: Workspace, manifest: str) -> Sample:
    """Return a sample with its embeddings, which are kept for the next blend.

    Args:
        oof: id, relpath, and if known group, whose rows stay together.
        test: id, relpath, imputed.
        images: what relpath is relative to.
        places: where embeddings are kept.
        manifest: its digest.

    Raises:
        UserError: no weights of the network, or an image that cannot be read.
    """
    oof, test = drawn(oof, MAX_ROWS), drawn(test[~test["imputed"].astype(bool)], MAX_ROWS)
    rows = pd.concat([oof[["id", "relpath"]], test[["id", "relpath"]]], ignore_index=True)
    path, ids = places.embeddings, "\n".join(rows["id"])
    facts = {"model": MODEL, "manifest": manifest, "ids": digest.of_bytes(ids.encode())}
    if not path.exists() or checksum.read_tensors(path)[1] != facts:
        from ffdi.infer.embed import embed  # late: it brings torch and timm, and most blends start without them

        checksum.write_tensors(path, {"features": embed(MODEL, rows, images, 0)}, facts)
    features_RD = checksum.read_tensors(path)[0]["features"]
    return Sample(oof, test, features_RD[: len(oof)], features_RD[len(oof) :])


def drawn(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return about `count` rows, groups whole, in their order."""
    group_N = np.unique(rows["group"], return_inverse=True)[1] if "group" in rows else np.arange(len(rows))
    place_N = rng("forecast sample").permutation(group_N.max(initial=0) + 1)[group_N]
    kept = np.sort(np.argsort(place_N, kind="stable")[:count])
    return rows.iloc[kept].reset_index(drop=True)
