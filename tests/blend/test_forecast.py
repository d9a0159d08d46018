import numpy as np
import pytest

from ffdi.base.keys import rng
from ffdi.blend import forecast as forecasts
from ffdi.blend.forecast import BOARDS, forecast
from ffdi.score.auc import auc
from ffdi.score.interval import delong_paired
from ffdi.spec.competition import Board
from ffdi.spec.load import load_competition

SMALL = Board(public_rows=200, private_rows=400, fake_share=0.55)


def people(rows: int, share: float, *parts: int | str, skills: tuple[float, ...] = (1.5, 1.5)) -> tuple:
    """(scores by name, target): candidates that share some of their noise."""
    draw = rng("forecast", *parts)
    target = (np.arange(rows) < round(rows * share)).astype(np.int8)
    common = draw.normal(size=rows)
    names = "abcdef"[: len(skills)]
    return {n: s * target + 0.7 * common + draw.normal(size=rows) for n, s in zip(names, skills, strict=True)}, target


@pytest.mark.parametrize("contests", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_nine_of_ten_boards_lie_in_the_interval(contests: int) -> None:
    """Simulated contests: forecast from 400 held-out rows with another class balance, then draw the true boards."""
    hits = dict.fromkeys(BOARDS, 0)
    for contest in range(contests):
        scores, target = people(400, 0.7, "held", contest, skills=(1.5,))
        found = forecast(scores, target, "a", SMALL, draws=2)
        for kind, rows in (("public", 200), ("private", 400)):
            board, truth = people(rows, 0.55, kind, contest, skills=(1.5,))
            interval = getattr(found.outlooks["a"], kind)
            hits[kind] += interval.low <= auc(truth, board["a"]) <= interval.high
    print({kind: f"{count} of {contests} in the 90 % interval" for kind, count in hits.items()})
    slack = 3 * np.sqrt(0.9 * 0.1 / contests)
    assert all(abs(count / contests - 0.9) < slack for count in hits.values())


def test_the_chance_that_one_beats_the_other_is_right_on_average() -> None:
    """Over contests, forecast chances and what the private boards then showed agree."""
    chances, won = [], []
    for contest in range(60):
        scores, target = people(300, 0.5, "chance", contest, skills=(1.5, 1.7))
        found = forecast(scores, target, "a", SMALL, draws=100)
        board, truth = people(400, 0.55, "truth", contest, skills=(1.5, 1.7))
        chances.append(found.outlooks["b"].chance)
        won.append(auc(truth, board["b"]) > auc(truth, board["a"]))
        assert found.outlooks["a"].chance == 0.5
    assert abs(np.mean(chances) - np.mean(won)) < 3 * np.sqrt(0.25 / 60)


def test_both_roads_agree_on_large_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, target = people(2000, 0.5, "roads")
    board = Board(public_rows=1500, private_rows=2500, fake_share=0.5)
    there = forecast(scores, target, "a", board, draws=400)
    monkeypatch.setattr(forecasts, "FEW", 0)
    back = forecast(scores, target, "a", board, draws=400)
    for kind in BOARDS:
        one, two = getattr(there.outlooks["b"], kind), getattr(back.outlooks["b"], kind)
        assert one.se == pytest.approx(two.se, rel=0.2)
        assert one.value == pytest.approx(two.value, abs=one.se / 4)
    assert there.outlooks["b"].chance == pytest.approx(back.outlooks["b"].chance, abs=0.1)


def test_twice_the_same_is_the_same_and_columns_keep_their_names() -> None:
    scores, target = people(300, 0.5, "same")
    assert forecast(scores, target, "a", SMALL, draws=50) == forecast(scores, target, "a", SMALL, draws=50)
    turned = dict(reversed(scores.items()))
    there, back = (forecast(given, target, "a", SMALL, draws=50) for given in (scores, turned))
    assert there.outlooks == back.outlooks


def test_the_second_differs_and_is_good() -> None:
    scores, target = people(600, 0.5, "pair", skills=(1.5, 1.4, 0.1))
    scores["copy"] = 2 * scores["a"]
    found = forecast(scores, target, "a", SMALL, draws=100)
    assert (found.best, found.second) == ("a", "b")
    assert found.outlooks["copy"].chance == 0.5
    assert found.outlooks["c"].chance < 0.05
    assert forecast({"a": scores["a"], "copy": scores["copy"]}, target, "a", SMALL, draws=20).second is None


def test_the_smallest_gain_is_that_of_a_paired_interval() -> None:
    scores, target = people(600, 0.5, "gain")
    found = forecast(scores, target, "a", SMALL, draws=20)
    expected = delong_paired(target, scores["b"], scores["a"])
    assert found.smallest["held_out"] == pytest.approx(expected.high - expected.value)
    assert found.smallest["public"] > found.smallest["private"] > found.smallest["held_out"]
    assert forecast({"a": scores["a"]}, target, "a", SMALL, draws=20).smallest == {}


def test_boards_of_a_sample_shrink_with_its_test_table() -> None:
    board = load_competition("multi-ffdi-phase2").board
    assert board is not None
    small = board.scaled(232)
    assert (small.public_rows, small.private_rows) == (232, 443)
    assert board.scaled(174_387) == board.scaled(10**6) == board
    split = Board(public_rows=30, private_rows=70, fake_share=0.5)
    assert (split.scaled(50).public_rows, split.scaled(50).private_rows) == (15, 35)


def test_a_board_of_two_images_and_a_large_one() -> None:
    scores, target = people(300, 0.5, "two")
    tiny = forecast(scores, target, "a", Board(public_rows=2, private_rows=2, fake_share=0.01), draws=20)
    assert 0 <= tiny.outlooks["a"].public.low <= tiny.outlooks["a"].public.high <= 1
    board = load_competition("multi-ffdi-phase2").board
    assert board is not None
    huge = forecast(scores, target, "a", board)
    assert huge.outlooks["a"].private.se == pytest.approx(huge.outlooks["a"].public.se, rel=0.1)
