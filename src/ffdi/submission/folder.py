"""Submission folders `<nnn>-<name>`: submission.csv first, card.json last; without a card a folder is unfinished."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import atomic, checksum, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import CARD, SUBMISSION_CSV
from ffdi.submission.check import check_bytes, render
from ffdi.submission.ledger import one_line

NUMBERED = re.compile(r"(\d{3,})-.+")


@dataclass(frozen=True)
class Published:
    """A finished submission. `reused`: it was there already, with the same inputs and bytes."""

    folder: Path
    card: dict[str, Any]
    reused: bool

    @property
    def csv(self) -> Path:
        return self.folder / SUBMISSION_CSV


def publish(
    frame: pd.DataFrame,
    card: Mapping[str, Any],
    inputs: str,
    competition: Competition,
    root: Path,
    name: str,
    reference: pd.Series | None = None,
) -> Published:
    """Check predictions as the bytes that they become, then write them and their card to the next folder below `root`.

    Args:
        frame: id and prediction columns in the competition's order.
        card: what is known of them.
        inputs: digest of all that made them; with the same inputs and bytes only what is known of them is written anew.
        competition: names the columns.
        root: the submissions folder.
        name: what the folder is called behind its number.
        reference: scores by id that the predictions must not contradict.

    Raises:
        UserError: if the check refuses them.
    """
    ids = frame[competition.id_column].tolist()
    data = render(frame, competition)
    check_bytes(data, SUBMISSION_CSV, competition, ids, reference=reference)
    sha256 = digest.of_bytes(data)
    for folder, known in finished(root):
        if (known["inputs"], known["submission"]["sha256"]) == (inputs, sha256):
            _restore(folder / SUBMISSION_CSV, data, sha256)
            full = {**known, **card}  # with another forecast, if [board] was changed or the images are here now
            if checksum.json_bytes(full) != checksum.json_bytes(known):
                checksum.write_json(folder / CARD, full)
            return Published(folder, full, reused=True)
    folder = next_folder(root, name)
    atomic.write_bytes(folder / SUBMISSION_CSV, data)
    about = {"file": SUBMISSION_CSV, "sha256": sha256, "rows": len(ids)}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    full = {**card, "inputs": inputs, "submission": about, "date": now}
    checksum.write_json(folder / CARD, full)
    return Published(folder, full, reused=False)


def next_folder(root: Path, name: str) -> Path:
    """Make `<nnn>-<name>`, one above the highest number. Only one process can make a folder: it gets the number."""
    number = max((number_of(known.name) for known in root.glob("*")), default=0) + 1
    while True:
        folder = root / f"{number:03d}-{name}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UserError(f"Cannot make {folder}: {error.strerror}; make the place writable.") from error


def finished(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every folder below `root` that has a card, and the card, by name."""
    for folder in sorted(root.glob("*")):
        if number_of(folder.name) and (folder / CARD).is_file():
            yield folder, checksum.read_json(folder / CARD)


def number_of(name: str) -> int:
    """Return the number in the name of a submission folder; 0 if it is none."""
    match = NUMBERED.fullmatch(name)
    return int(match[1]) if match else 0


def estimates(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a card says of its submission, by the columns of the ledger; a card without a blend says nothing.

    This is the only place that reads the estimates of a card.
    """
    honest = next((row for row in card.get("honest") or [] if row["chosen"]), None)
    forecast = card.get("forecast")
    found: dict[str, Any] = {"method": one_line(card.get("method", ""))}
    if (card.get("blend") or {}).get("auc"):
        found["oof"] = card["blend"]["auc"]["value"]
    if honest is not None:
        found |= {"nested": honest["nested"], "nested_low": honest["low"], "nested_high": honest["high"]}
    if forecast is not None and forecast["leads"] != "none":  # else the test is of another source than train
        public = forecast[forecast["leads"]]["public"]
        found |= {"forecast_low": public["low"], "forecast_high": public["high"]}
    return found


def _restore(path: Path, data: bytes, sha256: str) -> None:
    """Write the CSV again where only the card is: cards may be in git, the big CSVs are not."""
    if not path.exists():
        atomic.write_bytes(path, data)
    elif digest.of_file(path) != sha256:
        raise CorruptError(f"{path} is not the file that its card names; delete it and run `ffdi blend` again.")
