"""`ffdi ledger`: show every submission that was sent, the expected score and the real one."""

from collections.abc import Sequence
from pathlib import Path

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import LEDGER_CSV
from ffdi.submission import ledger
from ffdi.submission.ledger import MEANING, Row
from ffdi.submission.retry import Clock

CLOCK = Clock()


def run(submissions: Path, refresh: bool) -> None:
    """Show the ledger, which may be damaged (UserError); with `refresh` ask Kaggle for missing scores first."""
    if submissions.is_file():
        raise UserError(f"{submissions} is a file; name a folder of submissions with --submissions.")
    rows = ledger.export(submissions)
    if not rows:
        return console.say(
            f"Nothing was sent from {submissions} yet; `ffdi submit` (make submit) sends the newest submission."
        )
    if refresh:
        rows = _refresh(rows, submissions)
    _show(rows)
    console.say(f"ledger: {submissions / LEDGER_CSV}")


def _refresh(rows: Sequence[Row], root: Path) -> list[Row]:
    """Ask Kaggle once for each competition that still owes a score."""
    from ffdi.submission.client import sign_in
    from ffdi.submission.send import SubmissionSession

    kaggle = sign_in()
    for slug in sorted({row.competition for row in rows if row.status != "refused" and row.private is None}):
        session = SubmissionSession(kaggle, slug, root, CLOCK)
        try:
            with session.locked():
                session.reconcile()
        except UserError as error:  # a contest that is closed to us must not hide the scores of the others
            console.warn(str(error))
    return ledger.load(root)


def _show(rows: Sequence[Row]) -> None:
    """Print a table a competition, narrow enough for its tags; the reasons below it."""
    columns = ["submission", "sent (UTC)", "OOF", "nested", "forecast", "public", "private", "status", "tag"]
    for slug in sorted({row.competition for row in rows}):
        lines = [_cells(row) for row in rows if row.competition == slug]
        console.table(f"{slug}: {len(lines)} sends (AUCs; forecast of the public leaderboard at 90 %)", columns, lines)
    for row in rows:
        if row.error or row.status in ("pending", "lost"):
            console.say(f"{row.tag}, {row.submission}, {row.status}: {row.error or MEANING[row.status]}")
        known = row.public is not None and row.forecast_low is not None
        if known and not row.forecast_low <= row.public <= row.forecast_high:  # type: ignore[operator]
            console.warn(
                f"{row.submission}: public {row.public:.4f} lies outside its forecast, as one in ten does by chance."
            )


def _cells(row: Row) -> list[str]:
    forecast = "-" if row.forecast_low is None else f"{_number(row.forecast_low, 3)}-{_number(row.forecast_high, 3)}"
    scores = [_number(row.oof), _number(row.nested), forecast, _number(row.public, 5), _number(row.private, 5)]
    return [row.submission, row.date[:16].replace("T", " "), *scores, row.status, row.tag]


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
