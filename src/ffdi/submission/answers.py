"""Kaggle's answers as values.

A state that the kit does not know gets a prefix, and counts as one that may still change.
Fields at their default are left out of Kaggle's JSON; what makes no sense counts as left out.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

Body = Mapping[str, Any]
UNKNOWN = "unknown: "
SUBMISSION_STATES = ("pending", "complete", "error")
DATASET_BUSY = ("not_yet_persisted", "blobs_received", "blobs_decompressed", "blobs_copied_to_sds",
                "individual_blobs_compressed", "reprocessing", UNKNOWN)  # fmt: skip
DATASET_STATES = ("ready", "failed", "deleted", *DATASET_BUSY)
KERNEL_BUSY = ("queued", "running", "new_script", "cancel_requested", UNKNOWN)
KERNEL_STATES = ("complete", "error", "cancel_acknowledged", *KERNEL_BUSY)


class Limits(NamedTuple):
    """The team's submissions: of this UTC day, of all days, and how many more are allowed today."""

    today: int
    total: int
    allowed_now: int


class Listed(NamedTuple):
    """A submission in Kaggle's list. `message` is what was sent with it; `date` is UTC."""

    ref: int
    date: datetime | None
    status: str
    public: float | None
    private: float | None
    error: str
    message: str


class DatasetState(NamedTuple):
    """`state`: one of DATASET_STATES, or "missing". `version`: 0 where none is known."""

    state: str
    version: int

    @property
    def busy(self) -> bool:
        return self.state.startswith(DATASET_BUSY)


class KernelState(NamedTuple):
    """`state`: one of KERNEL_STATES. `message`: why a run failed."""

    state: str
    message: str

    @property
    def running(self) -> bool:
        return self.state.startswith(KERNEL_BUSY)


class Quota(NamedTuple):
    """Hours of GPU of this week, and when the next week begins (UTC)."""

    used: float
    allowed: float
    refreshed: datetime | None


def state_of(body: Body, known: tuple[str, ...], default: str) -> str:
    """Return the field "status" in lower case."""
    state = text_of(body, "status") or default
    return state.lower() if state.lower() in known else UNKNOWN + state


def rows_of(body: Body, name: str) -> list[Body]:
    """Return the objects of a list."""
    value = body.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def text_of(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def number_of(body: Body, name: str) -> int:
    """Return a count. Kaggle writes large ones as text."""
    text = str(body.get(name))
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def score_of(body: Body, name: str) -> float | None:
    """Return a score or another number that Kaggle writes as text, empty while there is none."""
    try:
        value = float(str(body.get(name)).removesuffix("s"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def date_of(body: Body, name: str) -> datetime | None:
    """Return a time in UTC, which Kaggle's are whether they say so or not; with up to nine digits of a second."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text_of(body, name).removesuffix("Z"))
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
