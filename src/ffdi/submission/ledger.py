"""The ledger: every send there ever was, in `submissions/ledger.csv` and, for each submission, in its card.

A row goes into the card first and into the file second. So the file can be made anew from the cards, and a kill
between the two is mended by the next `load`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ffdi.core import atomic, checksum
from ffdi.core.errors import UserError
from ffdi.submission.folder import CARD, SENT, alone, finished
from ffdi.submission.row import STATUSES, Row, ordered, parse, render, validated

LEDGER = "ledger.csv"


def load(root: Path) -> list[Row]:
    """All rows by date; the file is written anew where it is missing or behind the cards.

    Raises UserError if the file or a card is damaged; LockedError if another process holds `root` for long.
    """
    data, rows = _account(root)
    if render(rows) == data or not rows:
        return rows
    with alone(root):
        return _mend(root)


def record(root: Path, row: Row) -> None:
    """Put `row` in the place of the one with its tag, or behind all others; card first, then ledger."""
    with alone(root):
        path = root / row.submission / CARD
        if path.is_file():
            card = checksum.read_json(path)
            others = [known for known in from_card(root / row.submission, card) if known.tag != row.tag]
            sent = [known.model_dump(mode="json") for known in ordered([*others, row])]
            checksum.write_json(path, card | {SENT: sent})
        _mend(root, row)


def from_card(folder: Path, card: dict[str, Any]) -> list[Row]:
    """The sends that a card knows of."""
    remedy = "the card was edited; restore it, from git if it is there."
    return [validated(cells, f"{folder / CARD}, {SENT}", remedy) for cells in card.get(SENT, [])]


def _mend(root: Path, *new: Row) -> list[Row]:
    data, rows = _account(root, *new)
    made = render(rows)
    if made != data:
        atomic.write_bytes(root / LEDGER, made)
    return rows


def _account(root: Path, *new: Row) -> tuple[bytes, list[Row]]:
    """The bytes of the file, and what it, the cards and the `new` rows know together."""
    path = root / LEDGER
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; make it readable.") from error
    written = parse(data, str(path)) if data else []
    return data, ordered(_fullest([*_of_cards(root), *written], new))


def _of_cards(root: Path) -> Iterator[Row]:
    for folder, card in finished(root):
        yield from from_card(folder, card)


def _fullest(accounts: Iterable[Row], new: Iterable[Row]) -> Iterable[Row]:
    """One row a tag: the new one, else the account that knows more, else the first."""
    best: dict[str, Row] = {}
    for row in accounts:
        known = best.get(row.tag)
        if known is None or STATUSES.index(row.status) > STATUSES.index(known.status):
            best[row.tag] = row
    return (best | {row.tag: row for row in new}).values()
