"""Several folds on one GPU begin as its memory allows. The card is a number here."""

from pathlib import Path

import pytest
import torch

from ffdi.core.stop import Stop
from ffdi.training import launch
from ffdi.training.gate import Gate

GIGABYTE = 10**9


class Card:
    def __init__(self) -> None:
        self.free = 10 * GIGABYTE


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card = Card()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (card.free, 10 * GIGABYTE))
    return card


def begin(gate: Gate, card: Card, takes: int) -> bool:
    """Let a fold begin through its gate and take its memory."""
    if not gate.enter(Stop()):
        return False
    card.free -= takes
    gate.leave()
    return True


def test_folds_begin_until_the_memory_would_not_suffice(card: Card, tmp_path: Path) -> None:
    begun = [begin(Gate("cuda:0", tmp_path), card, 3 * GIGABYTE) for _ in range(4)]
    assert begun == [True, True, True, False]


def test_the_first_begins_alone_and_others_count_those_that_have_not_taken_their_memory_yet(
    card: Card, tmp_path: Path
) -> None:
    first, second, third, fourth = (Gate("cuda:0", tmp_path) for _ in range(4))
    assert first.enter(Stop())
    assert not second.enter(Stop(deadline=0.0))  # it waits for the first, until a stop
    card.free -= 3 * GIGABYTE
    first.leave()
    assert second.enter(Stop())
    assert not third.enter(Stop())  # 7 GB are free, but 3 of them are as good as taken
    card.free -= 3 * GIGABYTE
    second.leave()
    assert fourth.enter(Stop())


def test_the_next_fold_of_a_process_uses_its_memory_again(card: Card, tmp_path: Path) -> None:
    gate = Gate("cuda:0", tmp_path)
    assert begin(gate, card, 9 * GIGABYTE)
    assert begin(gate, card, 0)


def test_a_run_knows_nothing_of_the_run_before_it(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ffdi.train` twice in one notebook: the first run's folds took nearly all of the memory."""
    begun = []

    def walk(_jobs: object, _device: str, _stop: Stop, gate: Gate) -> None:
        begun.append(begin(gate, card, 9 * GIGABYTE))

    monkeypatch.setattr(launch.console, "one_of_several", lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(launch, "_walk", walk)
    monkeypatch.setattr(launch, "_forked", lambda calls: [call(*arguments) for call, arguments, _ in calls])
    monkeypatch.setattr(launch, "can_fork", lambda _: True)
    for _ in range(2):
        card.free = 10 * GIGABYTE
        launch._train_in_parallel([], ["cuda:0", "cuda:0"], None)
    assert begun == [True, False] * 2
