"""Evidence for the forecast: what fold models tell of the test, and the test images against those held out.

Shapes: K fold models, N sampled held-out rows, T sampled test rows, D features.
"""

from contextlib import suppress
from dataclasses import dataclass
from math import hypot
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending import adversarial, averaging, probe
from ffdi.blending.adversarial import Adversarial
from ffdi.blending.apply import BLEND, Blended
from ffdi.blending.averaging import NO_SHIFT, Shift
from ffdi.blending.methods import Method
from ffdi.blending.oof import Team
from ffdi.blending.probe import PARTS, Unseen
from ffdi.config.competition import Board
from ffdi.core import checksum, digest
from ffdi.core.errors import FfdiError, UserError
from ffdi.core.keys import rng
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import group_numbers

MODEL = "tf_efficientnet_lite0"  # whose weights a package brings
MAX_ROWS = 3_000  # of each: a minute and a half on two cores, and the standard error of an AUC is below 0.01
MIN_ROWS = 2 * PARTS
TYPICAL = 7  # images shown of each side
DIFFERENT = 0.15  # distance from 0.5 of the AUC by which one measurement tells train from test


@dataclass(frozen=True)
class Sample:
    """`oof`, `test`: the sampled rows of the blend, in the order of their embeddings."""

    oof: pd.DataFrame
    test: pd.DataFrame
    oof_ND: np.ndarray
    test_TD: np.ndarray


@dataclass(frozen=True)
class Source:
    """Train against test.

    `auc`: adversarial. `effective`: share of the held-out rows that is left once they are weighted like the test.
    `differences`: (measurement, AUC of test against train) of those that tell the two apart. `typical`: relpaths of the
    images most like train, and of those most like the test.
    """

    auc: float
    effective: float
    other_source: bool
    differences: tuple[tuple[str, float], ...]
    typical: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Evidence:
    """`averaging`: gain of the mean over fold models. `mix`: what the test's mix of images adds. `missing`: what is not
    known, a sentence."""

    averaging: Shift = NO_SHIFT
    mix: Shift = NO_SHIFT
    source: Source | None = None
    unseen: Unseen | None = None
    missing: str = ""

    @property
    def seen(self) -> Shift:
        """Return what is added if all forgeries are of the kinds that were held out."""
        return Shift(self.averaging.value + self.mix.value, hypot(self.averaging.se, self.mix.se))


NO_EVIDENCE = Evidence()


def collect(
    board: Board,
    team: Team,
    method: Method,
    blended: Blended,
    manifest: pd.DataFrame,
    places: Workspace,
    images: Path | None,
) -> Evidence:
    """Return what images and fold models tell of the test.

    Args:
        board: its share of fakes.
        team: members with their logits.
        method: how they were blended.
        blended: the result.
        manifest: rows of all splits.
        places: where embeddings are kept.
        images: the competition folder; None if the images are not here.
    """
    scores_KT = averaging.fold_scores(team, method, blended.weights)[:, ~blended.test["imputed"].to_numpy(bool)]
    gain = averaging.gain(scores_KT, auc(blended.oof["target"], blended.oof[BLEND]), board.fake_share)
    if images is None:
        return Evidence(gain, missing="The test images were not looked at.")
    try:
        sample = embedded(blended.oof, blended.test, images, places, manifests.digest(manifest))
        if min(*np.bincount(sample.oof["target"], minlength=2), len(sample.test)) < MIN_ROWS:
            few = f"There are fewer than {MIN_ROWS} test images or images of a class, too few to compare."
            return Evidence(gain, missing=few)
        fake_N = sample.oof["target"].to_numpy() == 1
        group_N = group_numbers(sample.oof.get("group"), len(fake_N))
        found = adversarial.compare(sample.oof_ND, fake_N, sample.test_TD, board.fake_share)
        mix = adversarial.shift(sample.oof[BLEND].to_numpy(), fake_N, group_N, found)
        unseen = probe.cost_of_unseen(sample.oof_ND, fake_N, group_N)
        return Evidence(gain, mix, _source(found, sample, manifest), unseen)
    except Exception as error:  # no torch here, no weights, a full GPU: the blend itself is done
        why = str(error) if isinstance(error, FfdiError) else f"{type(error).__name__}: {error}"
        return Evidence(gain, missing=f"The test images were not looked at: {why}")


def _source(found: Adversarial, sample: Sample, manifest: pd.DataFrame) -> Source:
    like_train = sample.oof["relpath"].iloc[np.argsort(found.train_N, kind="stable")[:TYPICAL]]
    like_test = sample.test["relpath"].iloc[np.argsort(-found.test_T, kind="stable")[:TYPICAL]]
    differences, typical = tuple(_differences(sample, manifest)), (tuple(like_train), tuple(like_test))
    return Source(found.auc, found.effective, found.other_source, differences, typical)


def _differences(sample: Sample, manifest: pd.DataFrame) -> list[tuple[str, float]]:
    """Return the measurements that alone tell train from test, the clearest first."""
    from ffdi.data.audit import contrasts, usable  # late: it brings scipy, and most blends start without it

    known = usable(manifest)
    is_test_R = known["split"] == "test"
    train = known[~is_test_R & known["id"].isin(sample.oof["id"])]
    test = known[is_test_R & known["id"].isin(sample.test["id"])]
    found = [(name, value) for name, value in contrasts(train, test) if abs(value - 0.5) >= DIFFERENT]
    return sorted(found, key=lambda one: -abs(one[1] - 0.5))


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
    known = None
    with suppress(UserError):  # missing or damaged: made anew
        known = checksum.read_tensors(path)[1]
    if known != facts:
        from ffdi.infer.embed import embed  # late: it brings torch and timm, and most blends start without them

        checksum.write_tensors(path, {"features": embed(MODEL, rows, images, 0)}, facts)
    features_RD = checksum.read_tensors(path)[0]["features"]
    return Sample(oof, test, features_RD[: len(oof)], features_RD[len(oof) :])


def drawn(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return about `count` rows, groups whole, in their order."""
    group_N = group_numbers(rows.get("group"), len(rows))
    place_N = rng("forecast sample").permutation(group_N.max(initial=0) + 1)[group_N]
    kept = np.sort(np.argsort(place_N, kind="stable")[:count])
    return rows.iloc[kept].reset_index(drop=True)
