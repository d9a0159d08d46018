import os
import signal

import pytest

from ffdi.core.stop import Stop


def test_a_signal_is_only_a_flag_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stop() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        assert stop.reason == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_inside_another_knows_what_that_was_asked() -> None:
    with Stop():
        os.kill(os.getpid(), signal.SIGTERM)  # as between the fork of a process and its own stop
        with Stop() as inner:
            assert inner.requested
            assert inner.reason == "SIGTERM"


def test_a_second_interrupt_does_not_wait() -> None:
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_deadline_keeps_a_reserve_for_the_last_save() -> None:
    now = [0.0]
    stop = Stop(deadline=100, clock=lambda: now[0])
    now[0] = 95
    assert not stop.requested
    stop.reserve = 6
    assert stop.requested
    assert stop.reason == "deadline"


def test_a_child_stops_when_its_parent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop(with_parent=True)
    assert not stop.requested
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert stop.requested
    assert not Stop().requested
