"""Submission folders `<nnn>-<recipe>`: submission.csv first, card.json last; without a card a folder is unfinished."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import atomic, checksum, digest
from ffdi.core.errors import CorruptError, LockedError, UserError
from ffdi.core.lock import exclusive
from ffdi.submission.check import check_bytes, render

CSV, CARD = "submission.csv", "card.json"
SENT = "sent"  # what `submit.ledger` adds to a card: the rows of its sends
PATIENCE = 60.0  # seconds to wait for another process that writes a submission
NUMBERED = re.compile(r"(\d{3,})-.+")


@dataclass(frozen=True)
class Published:
    """`reused`: the same submission from the same inputs was there, so nothing was written."""

    folder: Path
    card: dict[str, Any]
    reused: bool

    @property
    def csv(self) -> Path:
        return self.folder / CSV


def publish(
    frame: pd.DataFrame,
    card: Mapping[str, Any],
    inputs: str,
    competition: Competition,
    root: Path,
    name: str,
    reference: pd.Series | None = None,
) -> Published:
    """Check the predictions as bytes, then write them and their card to the next numbered folder below `root`.

    `frame`: id and prediction columns in the competition's order. `inputs`: digest of all that made it; the same one
    with the same CSV is not written twice. Raises UserError if the check refuses, SpaceError if the disk is full.
    """
    ids = frame[competition.id_column].tolist()
    data = render(frame, competition)
    check_bytes(data, CSV, competition, ids, reference=reference)
    return keep(data, CSV, card, inputs, root, name)


def keep(data: bytes | None, file: str, card: Mapping[str, Any], inputs: str, root: Path, name: str) -> Published:
    """As `publish` for bytes that were checked; without any, a card alone: `file` lies with a kernel at Kaggle's."""
    sha256 = "" if data is None else digest.of_bytes(data)
    with alone(root):
        for folder, known in finished(root):
            if (known["inputs"], known["submission"]["sha256"]) == (inputs, sha256):
                _restore(folder / CSV, data, sha256)
                known.pop(SENT, None)
                return Published(folder, known, reused=True)
        folder = next_folder(root, name)
        if data is not None:
            atomic.write_bytes(folder / CSV, data)
        rows = 0 if data is None else data.count(b"\n") - 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        full = {**card, "inputs": inputs, "submission": {"file": file, "sha256": sha256, "rows": rows}, "date": now}
        checksum.write_json(folder / CARD, full)
    return Published(folder, full, reused=False)


def next_folder(root: Path, name: str) -> Path:
    """Make `<nnn>-<name>`, one above the highest number there. Making the directory is the claim: one process can."""
    number = max((int(match[1]) for match in map(NUMBERED.fullmatch, _names(root)) if match), default=0) + 1
    while True:
        folder = root / f"{number:03d}-{name}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UserError(f"Cannot make {folder}: {error.strerror}; make the place writable.") from error
        else:
            return folder


def finished(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every folder below `root` with a readable card, by number."""
    for name in sorted(_names(root)):
        path = root / name / CARD
        if NUMBERED.fullmatch(name) and path.is_file():
            yield root / name, checksum.read_json(path)


def _names(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()] if root.is_dir() else []


def _restore(path: Path, data: bytes | None, sha256: str) -> None:
    """Cards are kept in git, the big CSVs are not: a clone gets its file back here."""
    if data is None:
        return
    if not path.exists():
        atomic.write_bytes(path, data)
    elif digest.of_file(path) != sha256:
        raise CorruptError(f"{path} is not the file that its card names; delete it and run `ffdi blend` again.")


def alone(root: Path) -> ExitStack:
    """Hold `root` alone, waiting for others: numbers are given once. Raises LockedError after PATIENCE seconds."""
    stack, deadline = ExitStack(), time.monotonic() + PATIENCE
    while True:
        try:
            stack.enter_context(exclusive(root))
        except LockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return stack
