import numpy as np
import pytest

from ffdi.blending.forecast import BOARDS, board_variance, forecast
from ffdi.config.competition import Board
from ffdi.config.load import load_competition
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import placements
from tests.fixtures.teams import SMALL_BOARD as SMALL
from tests.fixtures.teams import people


@pytest.mark.parametrize("contests", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_nine_of_ten_boards_lie_in_the_interval(contests: int) -> None:
    """Simulated contests: forecast from 400 held-out rows with another class balance, then draw the true boards."""
    hits = dict.fromkeys(BOARDS, 0)
    for contest in range(contests):
        scores, target = people(400, 0.7, "held", contest, skills=(1.5,))
        found = forecast(scores["a"], target, SMALL)
        for kind, rows in (("public", 200), ("private", 400)):
            board, truth = people(rows, 0.55, kind, contest, skills=(1.5,))
            interval = found.seen[kind]
            hits[kind] += interval.low <= auc(truth, board["a"]) <= interval.high
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
                found = forecast(scores["a"], target, board, group if whole else None)
                interval = found.seen[kind]
                hits[kind, whole] += interval.low <= value <= interval.high
    slack = 3 * np.sqrt(0.9 * 0.1 / contests)
    for kind in BOARDS:
        assert abs(hits[kind, True] / contests - 0.9) < slack
        assert hits[kind, False] / contests < 0.75


def test_boards_of_a_sample_shrink_with_its_test_table() -> None:
    board = load_competition("multi-ffdi-phase2").board
    assert board is not None
    small = board.scaled(232)
    assert (small.public_rows, small.private_rows) == (232, 443)
    assert board.scaled(174_387) == board.scaled(10**6) == board
    split = Board(public_rows=30, private_rows=70, fake_share=0.5)
    assert (split.scaled(50).public_rows, split.scaled(50).private_rows) == (15, 35)


def test_a_board_of_two_images() -> None:
    scores, target = people(300, 0.5, "two")
    tiny = forecast(scores["a"], target, Board(public_rows=2, private_rows=2, fake_share=0.01))
    assert 0 <= tiny.seen["public"].low <= tiny.seen["public"].high <= 1


def test_boards_of_single_rows_have_delongs_variance_at_their_size() -> None:
    scores, target = people(200, 0.7, "single rows")
    placed = placements(target, scores["a"])
    fakes, reals = placed.placed_N[target == 1], placed.placed_N[target == 0]
    assert board_variance(placed, (90, 30)) == pytest.approx(fakes.var(ddof=1) / 30 + reals.var(ddof=1) / 90)
