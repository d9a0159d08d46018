"""What the imitation of Kaggle knows: competitions, submissions, datasets, kernels."""

import io
import itertools
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass
class Competition:
    """`exists` for everybody; `entered`: this user accepted its rules."""

    title: str
    per_day: int = 2
    code_only: bool = False
    entered: bool = True
    disabled: bool = False
    deadline: str = "2026-12-31T23:59:00Z"
    files: dict[str, bytes] = field(default_factory=dict)
    archive: bytes | None = None  # sent instead of the files, if set
    etag: str | None = '"archive-1"'

    def packed(self) -> bytes:
        if self.archive is not None:
            return self.archive
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.files.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
        return buffer.getvalue()


@dataclass(frozen=True)
class Outcome:
    """What becomes of a submission: pending in the first `after` lists that show it, then this."""

    status: str = "COMPLETE"
    public: str = "0.91234"
    private: str = ""
    error: str = ""
    after: int = 1


@dataclass
class Submission:
    ref: int
    competition: str
    description: str
    file_name: str
    date: str
    outcome: Outcome
    data: bytes = b""
    kernel: str = ""
    listed: int = 0  # how often a list has held it
    hidden: int = 0  # lists that will not show it yet

    def row(self) -> Json:
        """As ListSubmissions shows it now: a field that is at its default is left out."""
        done = self.listed >= self.outcome.after
        self.listed += 1
        row: Json = {
            "ref": self.ref,
            "date": self.date,
            "description": self.description,
            "fileName": self.file_name,
            "totalBytes": len(self.data),
        }
        if done:
            row["status"] = self.outcome.status
            row["publicScore"], row["privateScore"] = self.outcome.public, self.outcome.private
            row["errorDescription"] = self.outcome.error
        return {name: value for name, value in row.items() if value not in ("", 0)}


@dataclass
class Dataset:
    """`versions`: bytes by name. The newest is ready after `polls` looks at its status."""

    title: str
    versions: list[dict[str, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    requests: list[Json] = field(default_factory=list)
    polls: int = 0
    state: str = "READY"


@dataclass
class Run:
    """One version of a kernel. `states` are shown one a look, the last for ever."""

    request: Json
    states: list[str]
    output: dict[str, bytes]
    log: str
    failure: str

    def look(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@dataclass
class State:
    """Everything a test may set before, or look at after. `clock` is the server's date, UTC."""

    user: str = "tester"
    competitions: dict[str, Competition] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    outcomes: deque[Outcome] = field(default_factory=deque)  # of the next submissions; then Outcome()
    hide: int = 0  # lists that do not show a new submission yet
    page: int = 100  # rows a page at most
    datasets: dict[str, Dataset] = field(default_factory=dict)
    ready_after: int = 1  # looks at a dataset's status
    drop: set[str] = field(default_factory=set)  # files a version loses although all was said to be well
    kernels: dict[str, list[Run]] = field(default_factory=dict)
    kernel_states: list[str] = field(default_factory=lambda: ["QUEUED", "RUNNING", "COMPLETE"])  # of the next runs
    kernel_failure: str = ""
    run: Callable[[Json], dict[str, bytes]] = lambda request: {"submission.csv": b"id,y\na,0.5\n"}
    log: str = "the log\n"
    blobs: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # name and bytes by token
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1001))

    def today(self, slug: str) -> int:
        """Submissions of this UTC day."""
        day = self.clock().date().isoformat()
        return sum(one.competition == slug and one.date.startswith(day) for one in self.submissions)
