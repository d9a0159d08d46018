"""What Kaggle answers, as values: no object of its client leaves `submit.kaggle`."""

from dataclasses import dataclass
from datetime import datetime

RUNNING = ("queued", "running", "new_script", "cancel_requested")
TAKING_IN = ("not_yet_persisted", "blobs_received", "blobs_decompressed", "blobs_copied_to_sds",
             "individual_blobs_compressed", "reprocessing")  # fmt: skip


@dataclass(frozen=True)
class Contest:
    """A competition as the signed-in user sees it. `deadline` is aware UTC; `entered`: its rules are accepted."""

    slug: str
    title: str
    deadline: datetime | None
    per_day: int
    code_only: bool
    entered: bool


@dataclass(frozen=True)
class Limits:
    """Submissions of the team: of this UTC day, ever, and how many more are allowed today."""

    today: int
    total: int
    allowed_now: int


@dataclass(frozen=True)
class Sent:
    """One submission in Kaggle's list. `status`: pending, complete, error, or "unknown: X", which may still change."""

    ref: int
    date: datetime | None  # aware UTC
    status: str
    public: float | None
    private: float | None
    error: str
    message: str
    file_name: str

    @property
    def done(self) -> bool:
        return self.status in ("complete", "error")


@dataclass(frozen=True)
class DataFile:
    """A file of a competition, by Kaggle's name, which may hold folders. Sizes are in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class DatasetState:
    """`state`: ready, failed, deleted, missing, or on the way (`taking_in`); `version` 0 where none is known."""

    state: str
    version: int

    @property
    def taking_in(self) -> bool:
        return self.state in TAKING_IN or self.state.startswith("unknown: ")


@dataclass(frozen=True)
class Pushed:
    """What a push made: the version that runs now, and its page."""

    version: int
    url: str


@dataclass(frozen=True)
class KernelSource:
    """The newest version of a kernel, 0 for none, and its text."""

    version: int
    text: str


@dataclass(frozen=True)
class KernelState:
    """`state`: complete, error, cancel_acknowledged, or on the way (`running`); "unknown: X" counts as running."""

    state: str
    message: str

    @property
    def running(self) -> bool:
        return self.state in RUNNING or self.state.startswith("unknown: ")


@dataclass(frozen=True)
class Quota:
    """Hours of GPU this week."""

    used: float
    allowed: float
    refreshed: datetime | None  # aware UTC


def known(state: str, *states: str) -> str:
    """`state` in lower case if it is one of those, else "unknown: …": new words must not stop a session that polls."""
    word = state.lower()
    return word if word in states else f"unknown: {state}"
