"""`ffdi ledger`: every submission ever, what was expected of it and what it got."""

import math
from collections.abc import Sequence
from pathlib import Path

from ffdi.core import console
from ffdi.report.page import Page, write_safely
from ffdi.submission import ledger, send
from ffdi.submission.alarms import sentences
from ffdi.submission.row import MEANING, Row
from ffdi.submission.send import Clock, Office

CLOCK = Clock()
# The ledger is of all competition folders, so its page lies above theirs; like all pages it is not in git.
PAGE = Path("reports") / "ledger.html"


def run(work: Path, submissions: Path, refresh: bool) -> None:
    """Raises UserError if the ledger or a card is damaged."""
    rows = ledger.load(submissions)
    if not rows:
        console.say(
            f"Nothing was sent from {submissions} yet; `ffdi submit` (make submit) sends the newest submission."
        )
        return
    if refresh:
        rows = _refreshed(rows, submissions)
    _show(rows)
    for alarm in sentences(rows):
        console.warn(alarm)
    console.say(f"ledger: {submissions / ledger.LEDGER}")
    write_safely(work / PAGE, lambda: _page(rows))


def _refreshed(rows: Sequence[Row], root: Path) -> list[Row]:
    """The rows as Kaggle has them now, asked once a competition that still owes a score."""
    from ffdi.submission.kaggle import Refused, sign_in

    kaggle = sign_in()
    for slug in sorted({row.competition for row in rows if row.status != "refused" and row.private is None}):
        office = Office(kaggle, slug, root, CLOCK)
        try:
            with office.alone():
                send.reconcile(office)
        except Refused as error:  # a contest that is closed to us must not hide the scores of the others
            console.warn(str(error))
    return ledger.load(root)


def _show(rows: Sequence[Row]) -> None:
    """A table a competition, narrow enough for its tags; the reasons below it."""
    columns = ["submission", "sent (UTC)", "OOF", "nested", "forecast", "public", "private", "status", "tag"]
    for slug in sorted({row.competition for row in rows}):
        own = [row for row in rows if row.competition == slug]
        console.table(
            f"{slug}: {len(own)} sends (AUCs; forecast of the public board at 90 %)", columns, map(_line, own)
        )
    for row in rows:
        if row.error or row.status in ("pending", "lost"):
            console.say(f"{row.tag}, {row.submission}, {row.status}: {row.error or MEANING[row.status]}")


def _line(row: Row) -> list[str]:
    forecast = "-" if row.forecast_low is None else f"{_number(row.forecast_low, 3)}-{_number(row.forecast_high, 3)}"
    scores = [_number(row.oof), _number(row.nested), forecast, _number(row.public, 5), _number(row.private, 5)]
    return [row.submission, row.date[:16].replace("T", " "), *scores, row.status, row.tag]


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _page(rows: Sequence[Row]) -> Page:
    from ffdi.core import digest
    from ffdi.report import ledger as report
    from ffdi.report.provenance import provenance
    from ffdi.submission.row import render

    return report.page(rows, provenance("ffdi ledger", {"ledger": digest.of_bytes(render(rows))}))
