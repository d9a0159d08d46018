"""Time limits, retries and polling for calls to Kaggle."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from ffdi.core import console
from ffdi.core.errors import Paused
from ffdi.submission.errors import Unreachable

# Seconds between two looks at something that takes minutes; Kaggle's rate limits are not published.
FIRST_PAUSE, PAUSE_GROWTH, MAX_PAUSE = 30.0, 1.5, 300.0
# Looks at 0, 30, 75 and 142 s for what a lost reply may have made: it shows within seconds (kaggle-cli #890).
LOOKS_AFTER_LOST_REPLY, LOOKING_SECONDS = 4, 145.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Clock:
    """The time in seconds since the epoch, and a way to let some pass. Tests replace both."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def date(self) -> str:
        """Return the UTC time in ISO form, to the second."""
        return datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RetryPolicy:
    """Limits on how often and how long Kaggle is tried."""

    tries: int = 5  # of a call that changes nothing
    backoff: float = 1.0  # seconds before the second try; doubles with every try
    max_backoff: float = 120.0  # seconds, whatever Kaggle asks for
    timeout: float = 60.0  # seconds without a byte, after which a connection is given up
    sleep: Callable[[float], None] = time.sleep  # how to wait


def retry(call: Callable[[], Answer], policy: RetryPolicy) -> Answer:
    """Return what `call` returns, called again while it raises Unreachable."""
    for attempt in range(1, policy.tries):
        try:
            return call()
        except Unreachable as error:
            policy.sleep(min(policy.max_backoff, max(policy.backoff * 2 ** (attempt - 1), error.wait)))
    return call()


def poll(what: str, look: Callable[[int], Answer | None], until: float, clock: Clock) -> Answer:
    """Return what `look` finds; it is called with 0, 1, 2, … until its result is not None.

    Args:
        what: a sentence without its end that says what is waited for.
        look: one look; a look that cannot reach Kaggle counts as one that found nothing.
        until: the time, on the clock, after which nothing is waited for.
        clock: tells the time.

    Raises:
        Paused: if `until` is reached.
    """
    pause, number = FIRST_PAUSE, 0
    while True:
        try:
            found = look(number)
        except Unreachable as error:
            console.warn(f"{error} Looking again in {pause:.0f} s.")
            found = None
        if found is not None:
            return found
        if clock.now() + pause > until:
            raise Paused(f"{what}, and the time to wait is up; run the same command again to go on.")
        clock.sleep(pause)
        pause, number = min(pause * PAUSE_GROWTH, MAX_PAUSE), number + 1
