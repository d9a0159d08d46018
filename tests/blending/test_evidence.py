"""What the forecast learns of the test: the corrections, and where they hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.blending import adversarial, averaging, probe
from ffdi.blending.averaging import Shift
from ffdi.blending.evidence import Evidence, drawn
from ffdi.blending.forecast import forecast, with_unseen
from ffdi.blending.probe import Unseen
from ffdi.blending.result import blend
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.data import manifest as manifests
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, placements, quantile, sigmoid
from tests.fixtures.contest import Contest
from tests.fixtures.teams import SMALL_BOARD, people

FOLDS = 5


def fold_models(rows: int, *parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (OOF, target, test [K, T], target of the test): models that share half of their noise."""
    draw = rng("fold models", *parts)
    target = (np.arange(2 * rows) % 2).astype(np.int8)
    shared = draw.normal(size=2 * rows)
    scores_KN = 1.5 * target + (shared + draw.normal(size=(FOLDS, 2 * rows))) / np.sqrt(2)
    oof = scores_KN[np.arange(rows) % FOLDS, np.arange(rows)]
    return oof, target[:rows], scores_KN[:, rows:], target[rows:]


def test_the_mean_of_fold_models_gains_what_their_differences_on_the_test_say() -> None:
    plain, corrected = [], []
    for contest in range(40):
        oof, target, test_KT, truth = fold_models(600, contest)
        value = auc(target, oof)
        gain = averaging.gain(test_KT, value, 0.5)
        true = auc(truth, test_KT.mean(axis=0))
        plain.append(value - true)
        corrected.append(1 / (1 + np.exp(-np.log(value / (1 - value)) - gain.value)) - true)
    assert np.mean(plain) < -0.025
    assert abs(np.mean(corrected)) < 0.01
    assert averaging.gain(test_KT[:1], 0.9, 0.5) == Shift()
    assert averaging.gain(np.tile(test_KT[:1], (5, 1)), 0.9, 0.5).value == pytest.approx(0)


def features(rows: int, mean: float, *parts: int | str) -> np.ndarray:
    return rng("features", *parts).normal(size=(rows, 20)) + mean * (np.arange(20) < 4)


def test_a_test_of_the_same_source_is_called_so_and_another_is_announced() -> None:
    is_fake = np.arange(300) % 3 == 0
    train = [features(300, 0, "train", n) + 2 * is_fake[:, None] for n in range(8)]
    fake = 2 * (np.arange(200) % 4 == 0)[:, None]  # another share of fakes is no other source
    same = [adversarial.compare(train[n], is_fake, features(200, 0, "test", n) + fake, 0.25) for n in range(8)]
    other = [adversarial.compare(train[n], is_fake, features(200, 2, "test", n) + fake, 0.25) for n in range(8)]
    assert not any(one.other_source for one in same)
    assert all(one.other_source for one in other)
    assert abs(np.mean([one.auc for one in same]) - 0.5) < 0.04
    assert min(one.effective for one in same) > 0.7


def test_weighted_like_the_test_rows_show_what_the_test_will() -> None:
    """A quarter of the held-out rows is hard, half of the test: the AUC moves to where the test is."""
    hard = (np.arange(1200) % 8 < 2).astype(float)
    is_fake = np.arange(1200) % 2 == 1
    score = (2.5 - 2 * hard) * is_fake + rng("hard").normal(size=1200)
    train = features(1200, 0, "mix") + 1.5 * hard[:, None] * (np.arange(20) >= 16)
    test_hard = (np.arange(800) % 2)[:, None]
    test = features(800, 0, "mix test") + 1.5 * test_hard * (np.arange(20) >= 16)
    found = adversarial.compare(train, is_fake, test, 0.5)
    assert not found.other_source
    shift = adversarial.shift(score, is_fake, np.arange(1200), found)
    assert shift.value < -0.3
    assert 0 < shift.se < 0.2


def test_weights_count_as_if_rows_stood_there_as_often() -> None:
    is_fake = rng("weighted", "target").random(90) < 0.7
    score = np.round(is_fake + rng("weighted", "score").normal(size=90), 1)  # ties among them
    found = adversarial.weighted(score, is_fake, np.repeat([2.0, 1.0, 0.0], 30))
    twice = np.r_[0:30, 0:60]
    assert found.value == pytest.approx(auc(is_fake[twice], score[twice]))
    assert found.influence()[60:].tolist() == [0] * 30
    alike, plain = adversarial.weighted(score, is_fake, np.full(90, 3.0)), placements(is_fake, score)
    assert (alike.value, alike.se()) == pytest.approx((plain.value, plain.se()))


def kinds(groups: int, families: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (features, is_fake, group): pairs of an original and its fake, which leaves its family's mark."""
    draw = rng("kinds", groups, families)
    group = np.repeat(np.arange(groups), 2)
    is_fake = np.tile([False, True], groups)
    marks = 2 * draw.normal(size=(families, 30)) / np.sqrt(10)
    person = draw.normal(size=(groups, 30))[group]
    return person + is_fake[:, None] * marks[group % families] + 0.3 * draw.normal(size=person.shape), is_fake, group


def test_families_left_out_whole_cost_the_probe_its_score() -> None:
    features_ND, is_fake, group = kinds(240, 6)
    found = probe.cost_of_unseen(features_ND, is_fake, group)
    assert found is not None
    assert probe.MIN_CLUSTERS <= len(found.losses) <= probe.CLUSTERS
    assert found.left_out < found.seen
    assert np.mean(found.losses) < -0.3
    assert probe.cost_of_unseen(features_ND[:40], is_fake[:40], group[:40]) is None


def test_a_perfect_probe_does_not_make_the_cost_of_unseen_kinds_endless() -> None:
    """Each family has a strong mark of its own: all are found if seen, and none if left out."""
    features_ND, is_fake, group = kinds(240, 6)
    found = probe.cost_of_unseen(features_ND + 30 * is_fake[:, None] * np.eye(30)[group % 6], is_fake, group)
    assert found is not None
    assert found.seen > 0.999
    assert found.left_out < 0.9
    assert min(found.losses) > -8  # an AUC of 0.15 against 1 less a half over 240, not against 1 less a millionth


def test_the_interval_of_unseen_kinds_is_wider_lower_and_mixes_by_share() -> None:
    span = Interval(0.95, 0.93, 0.965, 0.01)
    losses = (-0.2, -0.4, -0.6, -0.8, -1.0, -1.2, -1.4, -1.6)
    whole, half, none = (with_unseen(span, share, losses) for share in (1.0, 0.5, 1e-9))
    assert whole.value < half.value < span.value
    assert whole.low < half.low < span.low
    assert none.low == pytest.approx(span.low, abs=1e-6)
    assert whole.high > half.value
    evidence = Evidence(unseen=Unseen(losses, 0.94, 0.88))
    scores, target = people(300, 0.5, "unseen")
    board = SMALL_BOARD.model_copy(update={"unseen": 0.73})
    made = forecast(scores["a"], target, board, evidence=evidence)
    assert made.leads == "unseen"
    assert made.unseen["public"].value < made.seen["public"].value
    assert forecast(scores["a"], target, SMALL_BOARD, evidence=evidence).leads == "seen"


def test_unseen_kinds_cost_also_a_blend_that_ranks_all_held_out_rows_right() -> None:
    """200 rows of each class in perfect order: AUC 1, and at least 0.985 by the interval."""
    evidence = Evidence(unseen=Unseen((-0.5, -1.0, -1.5, -2.0, -2.5), 0.99, 0.95))
    made = forecast(np.arange(400.0), np.arange(400) // 200, SMALL_BOARD, evidence=evidence)
    assert made.seen["public"].value == 1
    assert made.unseen["public"].low < made.seen["public"].low
    assert made.unseen["public"].value < 0.98


def test_a_sample_keeps_groups_whole() -> None:
    rows = pd.DataFrame({"id": [f"{n}" for n in range(90)], "group": np.arange(90) // 3})
    kept = drawn(rows, 30)
    assert kept.groupby("group").size().tolist() == [3] * 10
    assert len(drawn(rows, 1000)) == 90


@pytest.mark.parametrize(("offset", "leads"), [(0.0, "unseen"), (3.0, "none")])
def test_a_blend_looks_at_the_test_images(
    contest: Contest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offset: float, leads: str
) -> None:
    """With embeddings of its 120 training and 49 readable test images; the measurement that differs is named."""

    def embed(model: str, rows: pd.DataFrame, folder: Path, workers: int) -> np.ndarray:
        assert folder == tmp_path
        is_test = rows["relpath"].str.startswith("test").to_numpy()
        return features(len(rows), 0, "blend") + offset * is_test[:, None]

    monkeypatch.setattr("ffdi.infer.embed.embed", embed)
    sharpness = np.where(contest.manifest["split"] == "test", 1 + offset, 1.0)
    checksum.write_table(contest.places.manifest, manifests.typed(contest.manifest.assign(sharpness=sharpness)))
    contest.places.embeddings.write_bytes(b"damaged, and so made anew")
    for _ in range(2):  # the second finds the embeddings of the first
        result = blend(contest.recipe, contest.competition, contest.places, tmp_path)
        monkeypatch.setattr("ffdi.infer.embed.embed", None)
        assert result.forecast is not None
        assert result.forecast.leads == leads
    source = result.card["forecast"]["evidence"]["source"]
    assert [name for name, _ in source["differences"]] == (["sharpness"] if offset else [])
    assert [relpath.partition("/")[0] for relpath in source["typical"][0]] == ["train"] * 7
    assert [relpath.partition("/")[0] for relpath in source["typical"][1]] == ["test"] * 7


@pytest.mark.parametrize(
    ("error", "why"),
    [(ModuleNotFoundError("No module named 'torch'"), "ModuleNotFoundError: No module named 'torch'"),
     (UserError("There are no weights."), "There are no weights.")],
)  # fmt: skip
def test_a_machine_that_cannot_look_at_the_images_blends_all_the_same(
    contest: Contest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, why: str
) -> None:
    def embed(*_: object) -> np.ndarray:
        raise error

    monkeypatch.setattr("ffdi.infer.embed.embed", embed)
    result = blend(contest.recipe, contest.competition, contest.places, tmp_path)
    assert result.forecast is not None
    assert result.forecast.evidence.missing == f"The test images were not looked at: {why}"
    assert result.forecast.seen["public"].value == contest.blend().card["forecast"]["seen"]["public"]["value"]


def test_most_unseen_kinds_lie_in_the_interval() -> None:
    """Kinds of random cost, eight of them left out by the kit, a ninth on the board; members of unequal skill."""
    held = 0
    for contest in range(400):
        draw = rng("unseen kinds", contest)
        own, spread = draw.uniform(2, 4), draw.uniform(0.2, 1.0)
        losses, noise = draw.normal(-0.6, spread, size=9), 0.2 * draw.normal()
        value, low, high = (sigmoid(own + noise + side * 0.2 * quantile(0.9)) for side in (0, -1, 1))
        found = with_unseen(Interval(value, low, high, 0.0), 1.0, losses[:8])
        held += found.low <= sigmoid(own + losses[8]) <= found.high
    assert held / 400 > 0.85
