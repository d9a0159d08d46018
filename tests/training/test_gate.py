"""Several folds on one GPU begin as its memory allows. The card is a number here."""

from pathlib import Path

import pytest
import torch

from ffdi.core.stop import Stop
from ffdi.training.gate import Gate

GIGABYTE = 10**9


class Card:
    def __init__(self) -> None:
        self.free = 10 * GIGABYTE


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Card:
    card = Card()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (card.free, 10 * GIGABYTE))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return card


def begin(gate: Gate, card: Card, takes: int) -> bool:
    """Let a fold begin through its gate and take its memory."""
    if not gate.enter(Stop()):
        return False
    card.free -= takes
    gate.leave()
    return True


def test_folds_begin_until_the_memory_would_not_suffice(card: Card) -> None:
    begun = [begin(Gate("cuda:0"), card, 3 * GIGABYTE) for _ in range(4)]
    assert begun == [True, True, True, False]


def test_the_first_begins_alone_and_others_count_those_that_have_not_taken_their_memory_yet(card: Card) -> None:
    first, second, third, fourth = (Gate("cuda:0") for _ in range(4))
    assert first.enter(Stop())
    assert not second.enter(Stop(deadline=0.0))  # it waits for the first, until a stop
    card.free -= 3 * GIGABYTE
    first.leave()
    assert second.enter(Stop())
    assert not third.enter(Stop())  # 7 GB are free, but 3 of them are as good as taken
    card.free -= 3 * GIGABYTE
    second.leave()
    assert fourth.enter(Stop())


def test_the_next_fold_of_a_process_uses_its_memory_again(card: Card) -> None:
    gate = Gate("cuda:0")
    assert begin(gate, card, 9 * GIGABYTE)
    assert begin(gate, card, 0)
