"""How long Kaggle is waited for: a deadline on every call, and other tries for what changes nothing."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from ffdi.core import keys
from ffdi.submission.refusals import Unreachable

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Patience:
    """`tries` of a read; `wait` seconds before the second, doubling; `call` seconds for one call, `stall` without a
    byte; a transfer may be as slow as `slowest` bytes a second. No wait is longer than `longest`."""

    tries: int = 5
    wait: float = 1.0
    longest: float = 120.0
    call: float = 60.0
    stall: float = 60.0
    slowest: float = 50_000.0
    sleep: Callable[[float], None] = time.sleep

    def transfer(self, size: int) -> float:
        """Seconds that `size` bytes may take."""
        return self.call + size / self.slowest


def within(seconds: float, call: Callable[[], Answer]) -> tuple[Answer | None, BaseException | None]:
    """(answer, None) or (None, error) of `call`; TimeoutError after `seconds`, whatever it hangs on.

    A socket's timeout does not see a name server that is silent or a server that sends one byte a minute. The error is
    returned, not raised: what is raised instead then carries no context with headers in it. The thread left behind
    holds nothing and dies with the process.
    """
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # SystemExit too: the client leaves that way
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        error = future.exception(seconds)
    except TimeoutError as late:
        return None, late
    return (None, error) if error is not None else (future.result(), None)


def repeated(call: Callable[[], Answer], patience: Patience) -> Answer:
    """`call` again while it raises Unreachable: doubling waits, half of each by chance, or what Kaggle asks for."""
    for attempt in range(1, patience.tries):
        try:
            return call()
        except Unreachable as error:
            # Two processes that were turned away together must not come back together.
            chance = keys.Draws(keys.key("wait", os.getpid(), attempt), "kaggle").uniform(0.5, 1.0)
            ours = patience.wait * 2 ** (attempt - 1) * chance
            patience.sleep(min(patience.longest, ours if error.wait is None else max(error.wait, ours)))
    return call()
