import re

import numpy as np
import pytest

from ffdi.blending.forecast import forecast
from ffdi.blending.saved import inputs
from ffdi.config.competition import Board
from ffdi.config.recipe import Cluster, Data
from ffdi.core import checksum
from ffdi.data import manifest as manifests
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import auc_interval, logit, placements
from ffdi.submission.folder import publish
from ffdi.training.job import digest_of
from tests.fixtures.contest import Contest, K, make_recipe


def test_the_submission_is_in_the_competitions_order(contest: Contest) -> None:
    result = contest.blend()
    wanted = contest.manifest["id"][contest.manifest["split"] == "test"]
    assert result.submission.columns.tolist() == ["img_name", "y_pred"]
    assert result.submission["img_name"].tolist() == wanted.tolist()
    assert not wanted.is_monotonic_increasing
    by_id = result.blended.test.set_index("id")["blend"]
    assert (result.submission["y_pred"].to_numpy() == by_id.loc[wanted].to_numpy()).all()
    assert result.reference.index.tolist() == result.blended.test["id"].tolist()


def test_the_card_says_what_each_member_and_the_blend_are_worth(contest: Contest) -> None:
    result = contest.blend()
    card, oof, val = result.card, result.blended.oof, result.blended.val
    assert [member["name"] for member in card["members"]] == ["one", "two", "whole"]
    for line, name in [*zip(card["members"][:2], ["one", "two"], strict=True), (card["blend"], "blend")]:
        expected = auc_interval(placements(oof["target"], oof[name], np.unique(oof["group"], return_inverse=True)[1]))
        assert line["auc"] == {"value": expected.value, "low": expected.low, "high": expected.high, "se": expected.se}
        folds = [auc(rows["target"], rows[name]) for _, rows in oof.groupby("fold")]
        assert line["folds"] == dict(zip("0123", folds, strict=True))
        assert line["fold_mean"] == pytest.approx(np.mean(folds))
        assert line["fold_sd"] == pytest.approx(np.std(folds, ddof=1))
        assert line["tpr"]["0.01"] == tpr_at_fpr(oof["target"], oof[name], 0.01)
        assert line["auc_val"] == auc(val["target"], val[name])
    whole = card["members"][2]
    assert (whole["auc"], whole["fold_mean"], whole["folds"]) == (None, None, {})
    assert whole["auc_val"] == auc(val["target"], val["whole"])
    assert card["folds"]["k"] == K


def test_the_card_knows_its_inputs_and_no_place(contest: Contest) -> None:
    card = contest.blend().card
    assert card["folds"]["digest"] == digest_of(checksum.read_table(contest.places.folds("group")))
    assert all(
        re.fullmatch("[0-9a-f]{64}", text) for text in (card["recipe"]["digest"], card["manifest"], card["code"])
    )
    assert set(card["members"][1]["files"]) == {
        f"fold{i}/{name}.parquet" for i in range(K) for name in ("oof", "val", "test")
    }
    assert str(contest.places.work.parent) not in str(card)


def test_warnings_are_told(contest: Contest) -> None:
    told = contest.blend().warnings
    assert len(told) == 2
    assert told[0].endswith("because trained on all rows: whole (weighed like two).")
    assert "1 test images are unreadable" in told[1]
    assert contest.only("one").blend().warnings[0].startswith("1 test images")


def test_folds_of_uneven_classes_are_told(contest: Contest) -> None:
    """Ranks inside folds put the originals of a fold with many fakes too low."""
    path, target = contest.places.folds("group"), contest.manifest.set_index("id")["target"]
    folds = checksum.read_table(path)
    is_fake = (folds["id"].map(target) == 1).to_numpy()
    place = np.where(is_fake, is_fake.cumsum(), (~is_fake).cumsum()) - 1  # 0 to 59 in each class
    fold = np.where(is_fake, place % K, np.minimum(place // 10, K - 1)).astype(np.int16)
    checksum.write_table(path, folds.assign(fold=fold, group=np.arange(len(folds))))
    for job in contest.jobs():
        contest.finish(job)
    assert any("The folds hold 33% to 60% fakes" in told for told in contest.blend().warnings)


def test_the_same_twice_and_other_weights(contest: Contest) -> None:
    first, again = contest.blend(), contest.blend()
    assert first.card == again.card
    assert inputs(first.card) == inputs(again.card)
    contest.recipe = make_recipe(weights={"one": 2, "two": 1})
    other = contest.blend()
    assert inputs(other.card) != inputs(first.card)
    assert [member["weight"] for member in other.card["members"]] == pytest.approx([2 / 3, 1 / 3, 0])


def test_where_and_how_fast_is_no_other_recipe(contest: Contest) -> None:
    first = contest.blend().card
    data = Data(folder="elsewhere", workers=0, folds_per_device=2)
    cluster = Cluster(address="auto", gpus_per_fold=2, memory=8.0)  # of `ffdi evaluate --cluster auto` after a blend
    contest.recipe = contest.recipe.model_copy(update={"data": data, "cluster": cluster})
    assert contest.blend().card["recipe"] == first["recipe"]


def test_another_board_is_in_the_card_of_the_same_submission(contest: Contest) -> None:
    """The same bytes, but another forecast: `ffdi blend` after a change of [board]. `reference` lets the check pass."""
    for rows in (20, 30):
        board = Board(public_rows=rows, private_rows=50 - rows, fake_share=0.5)
        contest.competition = contest.competition.model_copy(update={"board": board})
        result = contest.blend()
        done = publish(
            result.submission, result.card, inputs(result.card), contest.competition,
            contest.places.submissions, "toy", result.reference,
        )  # fmt: skip
        card = checksum.read_json(done.folder / "card.json")
        assert (card["blend"], card["forecast"]["board"]["public_rows"]) == (result.card["blend"], rows)
        assert done.card["forecast"]["board"]["public_rows"] == rows
    assert (done.reused, done.folder.name) == (True, "001-toy")


def test_without_labels_there_is_no_validation_auc(contest: Contest) -> None:
    unlabelled = contest.manifest.copy()
    unlabelled.loc[unlabelled["split"] == "val", "target"] = -1
    contest.manifest = unlabelled
    checksum.write_table(contest.places.manifest, manifests.typed(unlabelled))
    for job in contest.jobs():
        contest.finish(job)
    assert contest.blend().card["blend"]["auc_val"] is None


def test_the_board_is_forecast_for_the_size_of_the_test_table(contest: Contest) -> None:
    result = contest.blend()
    assert result.forecast is not None
    assert result.forecast.board.public_rows == 50
    found = result.forecast.seen["private"]
    gain = result.forecast.evidence.averaging.value
    assert logit(found.value) == pytest.approx(logit(result.card["blend"]["auc"]["value"]) + gain)
    assert result.card["forecast"]["seen"]["private"]["low"] == found.low
    assert result.forecast.evidence.missing == "The test images were not looked at."
    rows = result.blended.oof  # in pairs: fewer groups than rows, and so other intervals
    alone = forecast(rows["blend"].to_numpy(), rows["target"].to_numpy(), result.forecast.board,
                     evidence=result.forecast.evidence)  # fmt: skip
    assert alone.seen["private"].se != found.se
    assert contest.only("whole").blend().forecast is None
    assert contest.only("one").blend().forecast is not None
