"""A wish to stop, as a flag: SIGTERM, SIGINT or a deadline. Work asks for it at its safe points."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

ORPHANED = "the parent process is gone"


class Stop:
    """`with Stop(deadline) as stop: ... if stop.requested: save and leave`.

    `deadline` is on `clock`'s scale (seconds); `reserve` (seconds, settable) is kept free before it, for the last save.
    A second SIGINT raises KeyboardInterrupt at once: writes are atomic, so that is safe too.
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
        self.parent = os.getppid() if with_parent else None  # stop, too, when that process has died
        self.reserve = 0.0
        self.reason = ""
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
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
