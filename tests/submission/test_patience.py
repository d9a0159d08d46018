import threading

import pytest

from ffdi.submission.patience import Patience, repeated, within
from ffdi.submission.refusals import LostReply, Unreachable


def test_what_a_call_gives_or_raises_comes_back() -> None:
    assert within(20, lambda: 7) == (7, None)
    for error in (ValueError("no"), SystemExit(1), KeyboardInterrupt()):

        def fail(error: BaseException = error) -> None:
            raise error

        assert within(20, fail) == (None, error)


def test_a_call_that_raises_a_timeout_of_its_own_is_told_from_a_late_one() -> None:
    def fail() -> None:
        raise TimeoutError("of its own")

    assert str(within(20, fail)[1]) == "of its own"
    ended = threading.Event()
    answer, late = within(0.05, ended.wait)
    ended.set()
    assert answer is None
    assert isinstance(late, TimeoutError)


@pytest.mark.parametrize("failures", range(5))
def test_only_what_changed_nothing_is_repeated(failures: int) -> None:
    waits: list[float] = []
    patience, left = Patience(tries=4, wait=1.0, sleep=waits.append), [failures]

    def call() -> str:
        if left[0]:
            left[0] -= 1
            raise Unreachable("busy")
        return "done"

    if failures < 4:
        assert repeated(call, patience) == "done"
    else:
        with pytest.raises(Unreachable):
            repeated(call, patience)
    assert len(waits) == min(failures, 3)
    assert all(2**n / 2 <= wait <= 2**n for n, wait in enumerate(waits))

    def lost() -> None:
        raise LostReply("perhaps")

    with pytest.raises(LostReply):
        repeated(lost, patience)
    assert len(waits) == min(failures, 3)


def test_a_transfer_has_time_for_its_size() -> None:
    assert Patience(call=60, slowest=50_000).transfer(5_000_000) == 160
