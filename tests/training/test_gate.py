"""Several folds on one GPU begin as its memory allows. The card is a number here."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ffdi.core.errors import LockedError, Paused
from ffdi.core.stop import Stop
from ffdi.training import launch
from ffdi.training.gate import Gate
from tests.fixtures.training import StopAt

GIGABYTE = 10**9


class Card:
    """`free` on the device, and `reserved` by the fold that has begun last, as each process sees its own."""

    def __init__(self, folder: Path, at_work: ExitStack) -> None:
        self.free, self.reserved = 11 * GIGABYTE, 0
        self._folder, self._at_work = folder, at_work

    def gate(self) -> Gate:
        """Return the gate of a process of its own."""
        return Gate("cuda:0", self._folder)

    def lets_in(self, gate: Gate) -> AbstractContextManager[None] | None:
        """Let a fold begin, if it need not wait."""
        turn = gate.turn(Stop(deadline=0.0))
        try:
            self._at_work.enter_context(turn)
        except Paused:
            return None
        return turn

    def begins(self, gate: Gate, takes: int) -> bool:
        """Let a fold begin, if it need not wait, and do its first step."""
        if self.lets_in(gate) is None:
            return False
        self.takes(gate, takes)
        return True

    def takes(self, gate: Gate, size: int) -> None:
        self.free, self.reserved = self.free - size, size
        gate.began()


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    with ExitStack() as at_work:
        card = Card(tmp_path, at_work)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (card.free, 11 * GIGABYTE))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: card.reserved)
        yield card


def test_folds_begin_until_the_memory_would_not_suffice(card: Card) -> None:
    assert [card.begins(card.gate(), 3 * GIGABYTE) for _ in range(4)] == [True, True, True, False]


def test_the_first_begins_alone_and_others_count_those_that_have_not_taken_their_memory_yet(card: Card) -> None:
    first, second, third = (card.gate() for _ in range(3))
    assert card.lets_in(first)
    assert not card.lets_in(second)  # nobody knows yet what a fold takes
    card.takes(first, 3 * GIGABYTE)
    assert card.lets_in(second)
    assert not card.lets_in(third)  # 8 GB are free, but 3 of them are as good as taken
    card.takes(second, 3 * GIGABYTE)
    assert card.lets_in(third)


def test_what_waiting_processes_take_is_not_counted_as_the_folds(card: Card) -> None:
    first = card.gate()
    assert card.lets_in(first)
    card.free -= 4 * GIGABYTE  # contexts of the others
    card.takes(first, GIGABYTE)
    assert [card.begins(card.gate(), GIGABYTE) for _ in range(2)] == [True, True]


def test_a_fold_begins_when_nobody_else_is_at_work_any_more_whatever_another_program_takes(card: Card) -> None:
    first, second = card.gate(), card.gate()
    turn = card.lets_in(first)
    assert turn is not None
    card.takes(first, 9 * GIGABYTE)
    assert not card.lets_in(second)
    turn.__exit__(None, None, None)
    assert card.lets_in(second)


def test_a_fold_that_another_process_trains_opens_the_gate_for_no_other(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def fit(job: Any, *_: object, **__: object) -> None:
        if job.label == "held":
            card.free -= 5 * GIGABYTE  # meanwhile another fold begins
            raise LockedError("held")
        begun.append(job.label)

    for name, replaced in {"fit": fit, "prepare": lambda *_: None, "_check": lambda *_: None}.items():
        monkeypatch.setattr(launch, name, replaced)
    monkeypatch.setattr(launch.finish, "is_done", lambda _: False)
    assert card.begins(card.gate(), 3 * GIGABYTE)
    jobs: list[Any] = [SimpleNamespace(label=label, data=SimpleNamespace(workers=0)) for label in ("held", "next")]
    with pytest.raises(Paused):
        launch._walk(jobs, "cuda:0", StopAt(3), card.gate())  # the third question comes while it waits
    assert begun == []


def test_a_run_knows_nothing_of_the_run_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ffdi.train` twice in one notebook: the folds of another run take other memory."""
    folders: list[Path] = []
    replaced: dict[str, Any] = {
        "_walk": lambda _jobs, _device, _stop, gate: folders.append(gate._path.parent),
        "_forked": lambda calls: [call(*arguments) for call, arguments, _ in calls],
        "can_fork": lambda _: True,
    }
    for name, replacement in replaced.items():
        monkeypatch.setattr(launch, name, replacement)
    monkeypatch.setattr(launch.console, "one_of_several", lambda: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    for _ in range(2):
        launch._train_in_parallel([], ["cuda:0", "cuda:0"], None)
    assert folders[0] == folders[1] != folders[2] == folders[3]
