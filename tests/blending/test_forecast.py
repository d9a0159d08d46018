import numpy as np
import pytest

from ffdi.blending import forecast as forecasts
from ffdi.blending.forecast import BOARDS, forecast
from ffdi.blending.strata import covariance, pulls, strata
from ffdi.config.competition import Board
from ffdi.config.load import load_competition
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import delong_paired

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


def families(groups: int, *parts: int | str, each: int = 5) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """(scores, target, group): near-duplicates, `each` of one class, share most of their noise."""
    draw = rng("families", *parts)
    group = np.repeat(np.arange(groups), each)
    target = (group % 2).astype(np.int8)
    noise = 0.9 * draw.normal(size=groups)[group] + 0.3 * draw.normal(size=len(group))
    return {"a": 1.5 * target + noise}, target, group


@pytest.mark.parametrize("contests", [150, pytest.param(800, marks=pytest.mark.slow)])
def test_groups_drawn_whole_keep_the_promise_and_rows_alone_do_not(contests: int) -> None:
    """Nominal 90 %: 120 held-out groups of five near-duplicates, boards of 40 and 80 such groups."""
    board = Board(public_rows=200, private_rows=400, fake_share=0.5)
    hits = {(kind, whole): 0 for kind in BOARDS for whole in (True, False)}
    for contest in range(contests):
        scores, target, group = families(120, "held", contest)
        for kind, groups in (("public", 40), ("private", 80)):
            drawn, truth, _ = families(groups, kind, contest)
            value = auc(truth, drawn["a"])
            for whole in (True, False):
                found = forecast(scores, target, "a", board, group_N=group if whole else None, draws=2)
                interval = getattr(found.outlooks["a"], kind)
                hits[kind, whole] += interval.low <= value <= interval.high
    print({key: f"{count} of {contests}" for key, count in hits.items()})
    slack = 3 * np.sqrt(0.9 * 0.1 / contests)
    for kind in BOARDS:
        assert abs(hits[kind, True] / contests - 0.9) < slack
        assert hits[kind, False] / contests < 0.75


def sourced(easy: int, hard: int, *parts: int | str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """(scores, target, source): two sources that differ in skill and, as real ones do, in the level of their scores."""
    draw = rng("sources", *parts)
    source = np.repeat(["easy", "hard"], [easy, hard])
    target = (np.arange(easy + hard) % 2).astype(np.int8)
    skill, level = np.where(source == "easy", 2.0, 0.8), np.where(source == "easy", 0.0, 0.5)
    return {"a": skill * target + level + draw.normal(size=len(target))}, target, source


@pytest.mark.parametrize("contests", [150, pytest.param(800, marks=pytest.mark.slow)])
def test_a_mix_of_sources_moves_the_forecast_to_where_the_board_is(contests: int) -> None:
    """Held out 300 easy and 100 hard rows; the board is three quarters hard."""
    board = Board(public_rows=200, private_rows=400, fake_share=0.5, mix={"easy": 0.25, "hard": 0.75})
    hits = {(kind, mixed): 0 for kind in BOARDS for mixed in (True, False)}
    for contest in range(contests):
        scores, target, source = sourced(300, 100, "held", contest)
        for mixed in (True, False):
            wish = board if mixed else board.model_copy(update={"mix": {}})
            found = forecast(scores, target, "a", wish, source_N=source, draws=2)
            for kind, rows in (("public", 200), ("private", 400)):
                drawn, truth, _ = sourced(rows // 4, 3 * rows // 4, kind, contest)
                interval = getattr(found.outlooks["a"], kind)
                hits[kind, mixed] += interval.low <= auc(truth, drawn["a"]) <= interval.high
    print({key: f"{count} of {contests}" for key, count in hits.items()})
    slack = 3 * np.sqrt(0.9 * 0.1 / contests)
    for kind in BOARDS:
        assert abs(hits[kind, True] / contests - 0.9) < slack
        assert hits[kind, False] / contests < 0.5


def test_the_chance_that_one_beats_the_other_is_right_on_average() -> None:
    """Over contests, forecast chances and what the private boards then showed agree."""
    chances, won = [], []
    for contest in range(60):
        scores, target = people(300, 0.5, "chance", contest, skills=(1.5, 1.7))
        found = forecast(scores, target, "a", SMALL, draws=50)
        board, truth = people(400, 0.55, "truth", contest, skills=(1.5, 1.7))
        chances.append(found.outlooks["b"].chance)
        won.append(auc(truth, board["b"]) > auc(truth, board["a"]))
        assert found.outlooks["a"].chance == 0.5
    assert abs(np.mean(chances) - np.mean(won)) < 3 * np.sqrt(0.25 / 60)


@pytest.mark.parametrize("mix", [{}, {"x": 0.7, "y": 0.3}])
def test_drawn_boards_vary_as_the_covariances_say(mix: dict[str, float]) -> None:
    """Row by row, groups whole, and by covariances; with other shares of classes and sources than were held out."""
    scores, target = people(2000, 0.5, "roads")
    group = np.arange(2000) % 700
    scores_SN = np.stack([score + 0.8 * rng("roads", name).normal(size=700)[group] for name, score in scores.items()])
    rows = strata(target, group, np.where(group % 3, "x", "y"), mix)
    found = [pulls(score_N, rows) for score_N in scores_SN]
    sizes = {name: rows.sizes(*size) for name, size in (("public", (840, 360)), ("private", (1800, 700)))}
    pulls_SN = np.stack([pull for _, pull in found])
    spreads = {name: covariance(pulls_SN, rows, size) for name, size in {"held_out": None, **sizes}.items()}
    drawn = forecasts._by_rows(scores_SN, rows, sizes, 600)
    normal = forecasts._by_normal(np.array([value for value, _ in found]), spreads, 600)
    for kind in BOARDS:
        expected = spreads["held_out"] + spreads[kind]
        for look in (np.array([1, 0]), np.array([1, -1])):
            spread = np.sqrt(look @ expected @ look)
            assert (drawn[kind] @ look).std() == pytest.approx(spread, rel=0.12)
            assert (normal[kind] @ look).std() == pytest.approx(spread, rel=0.12)
            assert (drawn[kind] @ look).mean() == pytest.approx((normal[kind] @ look).mean(), abs=spread / 4)


def test_large_boards_are_not_drawn_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, target = people(600, 0.5, "roads")
    rows = forecast(scores, target, "a", SMALL, draws=400)
    monkeypatch.setattr(forecasts, "FEW", 0)
    normal = forecast(scores, target, "a", SMALL, draws=400)
    assert rows.beats != normal.beats
    assert rows.outlooks["b"].chance == pytest.approx(normal.outlooks["b"].chance, abs=0.1)
    assert normal.beats["a"]["b"] == pytest.approx(1 - normal.beats["b"]["a"])


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


def test_what_is_sent_meets_the_others_and_its_choice_is_what_it_is_worth() -> None:
    """A choice that paid for itself with a lower score: the file that is sent is not the worse for it."""
    scores, target = people(400, 0.5, "sent", skills=(1.5, 1.4))
    scores["auto"] = scores["a"] - 0.3 * target
    found = forecast(scores, target, "auto", SMALL, sent="a", draws=200)
    plain = forecast({name: scores[name] for name in "ab"}, target, "a", SMALL, draws=200)
    assert list(found.outlooks) == ["b", "auto"]
    assert found.outlooks["b"].chance == pytest.approx(plain.outlooks["b"].chance, abs=0.01)
    assert found.outlooks["b"].likeness == plain.outlooks["b"].likeness
    assert found.smallest == pytest.approx(plain.smallest)
    assert found.outlooks["auto"].private.value == auc(target, scores["auto"]) < plain.outlooks["a"].private.value


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
