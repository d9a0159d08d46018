"""Turn SIGTERM, SIGINT and a deadline into a flag, which is read wherever work can be saved; parse a deadline."""

import os
import re
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType
from typing import Any, Self

from ffdi.core.errors import UserError

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
            previous = self._previous[number] = signal.signal(number, self._on_signal)
            outer = getattr(previous, "__self__", None)
            if isinstance(outer, Stop):  # asked before this one listened, as in a process that was just forked
                self.reason = self.reason or outer.reason
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


def parse_until(text: str, now: float, option: str = "--until") -> float | None:
    """Return seconds since the epoch; None for an empty text.

    Args:
        text: Such as "11h30m" from now, or a local time in ISO form.
        now: Seconds since the epoch.
        option: Named in a message.

    Raises:
        UserError: The text is no time, or one that is over.
    """
    if not text:
        return None
    lasting = re.fullmatch(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?", text)
    if lasting and any(lasting.groups()):
        hours, minutes, seconds = (int(part or 0) for part in lasting.groups())
        return now + timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise UserError(f"{option} {text!r} is no time; write 11h30m, 45m or 2026-11-22T18:00.") from error
    if moment <= now:
        raise UserError(f"{option} {text!r} is over already; name a later time.")
    return moment
