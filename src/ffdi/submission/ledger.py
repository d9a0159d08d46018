"""The ledger: every submission that was ever sent, one file each in `submissions/ledger/`, and all as a CSV for people.

A row is written before its submission is sent, and in one step. The CSV is only a copy: it is never read.
"""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from ffdi.core import atomic, checksum
from ffdi.core.layout import LEDGER, LEDGER_CSV

TAG = re.compile(r"(ffdi-[0-9a-f]{12})-([1-9][0-9]*)")
MAX_TEXT = 300  # characters; reasons that Kaggle gives have no limit
Status = Literal["pending", "lost", "sent", "refused", "failed", "scored"]
MEANING: dict[Status, str] = {
    "pending": "about to be sent, or killed while it was",
    "lost": "no answer came and Kaggle's list does not show it",
    "sent": "Kaggle has it, the score is awaited",
    "refused": "Kaggle did not take it",
    "failed": "Kaggle took it and could not score it",
    "scored": "it has a score",
}


@dataclass(frozen=True)
class Row:
    """One submission that was sent, or was about to be."""

    tag: str  # the first word of its message, by which it is found in Kaggle's list
    date: str  # when it was sent (UTC, ISO)
    competition: str  # Kaggle's slug
    submission: str  # name of its folder
    status: Status
    sha256: str = ""  # of the file; "" for a kernel
    kernel: str = ""  # "owner/slug"; "" for a file
    version: int = 0  # of the kernel
    method: str = ""  # how it was blended
    oof: float | None = None  # its estimated AUCs, from its card
    nested: float | None = None
    nested_low: float | None = None
    nested_high: float | None = None
    forecast_low: float | None = None  # the forecast of the public score (90 %), from its card
    forecast_high: float | None = None
    ref: int = 0  # Kaggle's number; 0 while unknown
    public: float | None = None  # Kaggle's scores
    private: float | None = None
    error: str = ""  # why it was refused or could not be scored

    @property
    def settled(self) -> bool:
        """Return whether nothing more is awaited but the private score."""
        return self.status in ("refused", "failed", "scored")

    @property
    def content(self) -> str:
        """Return what was sent: two rows with one content sent the same."""
        return self.sha256 or f"{self.kernel}/{self.version}"


def load(root: Path) -> list[Row]:
    """Return all rows below the submissions folder `root`, by date. Raise CorruptError naming a damaged file.

    A ledger that came by git may have columns of a newer kit, which are passed over.
    """
    known = [field.name for field in fields(Row)]
    found = [checksum.read_json(path) for path in (root / LEDGER).glob("*.json")]
    rows = [Row(**{name: one[name] for name in known if name in one}) for one in found]
    return sorted(rows, key=lambda row: (row.date, row.tag))


def record(root: Path, row: Row) -> None:
    """Write `row` in the place of the one with its tag, and the CSV."""
    checksum.write_json(root / LEDGER / f"{row.tag}.json", asdict(row))
    export(root)


def export(root: Path) -> list[Row]:
    """Write the CSV of all rows, and return them."""
    rows = load(root)
    if rows:
        atomic.write_text(root / LEDGER_CSV, pd.DataFrame(map(asdict, rows)).to_csv(index=False))
    return rows


def one_line(text: str) -> str:
    """Return `text` as one printable line that no spreadsheet takes for a formula."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return (f"'{line}" if line.startswith(("=", "+", "-", "@")) else line)[:MAX_TEXT].rstrip()


def attempt_of(tag: str) -> int:
    """Return the number of the attempt, which counts from 1."""
    return int(tag.rpartition("-")[2])
