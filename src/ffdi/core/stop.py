"""Turn SIGTERM, SIGINT and a deadline into a flag, which is read wherever work can be saved."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

ORPHANED = "the parent process is gone"


class Stop:
    """Use as `with Stop(deadline) as stop: ... if stop.requested: save and leave`.

    A second SIGINT raises KeyboardInterrupt at once, which is safe, as writes are atomic.

    Args:
        deadline: Seconds on the scale of `clock`. `reserve` seconds before it are kept for the last save.
        on_signal: Called with the number of a signal, for example to pass it on to other processes.
        with_parent: Stop also when the parent process has ended.
    """

    def __init__(
        self,
        deadline: float | None = None,
        clock: Callable[[], float] = time.time,
        on_signal: Callable[[int], None] | None = None,
        with_parent: bool = False,
    ) -> None:
        self.deadline = deadline
        self.clock = clock
        self.on_signal = on_signal
        self.parent = os.getppid() if with_parent else None
        self.reserve = 0.0
        self.reason = ""
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Return whether to stop; `reason` says why."""
        if not self.reason and self.deadline is not None and self.clock() >= self.deadline - self.reserve:
            self.reason = "deadline"
        if not self.reason and self.parent not in (None, os.getppid()):
            self.reason = ORPHANED
        return bool(self.reason)

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.reason == "SIGINT":
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name
        if self.on_signal is not None:
            self.on_signal(number)
