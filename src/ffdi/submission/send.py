"""Send a submission so that no kill and no lost answer can send it twice or lose it.

A row `pending` is written first, then the file is uploaded, then Kaggle's list is read back for our tag. Whatever
happens in between, the next command finds that row and looks for its tag before it does anything else.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffdi.core import console, digest
from ffdi.core.errors import Paused, UserError
from ffdi.core.lock import exclusive
from ffdi.submission import ledger
from ffdi.submission.answers import Listed
from ffdi.submission.candidate import SubmissionCandidate
from ffdi.submission.client import KaggleClient
from ffdi.submission.errors import LostReply, Refused, Unreachable
from ffdi.submission.ledger import TAG, Row, attempt_of, one_line
from ffdi.submission.retry import LOOKING_SECONDS, LOOKS_AFTER_LOST_REPLY, Clock, poll

LOCK = ".sending"


@dataclass(frozen=True)
class SubmissionSession:
    """Sends to one competition of Kaggle's (`slug`). `root`: the submissions folder, which holds the ledger."""

    kaggle: KaggleClient
    slug: str
    root: Path
    clock: Clock

    def locked(self) -> AbstractContextManager[None]:
        """Let one process send at a time: a row `pending` is then one that was killed. Raise LockedError."""
        return exclusive(self.root, LOCK)

    def reconcile(self) -> list[Listed]:
        """Update the rows of this competition from Kaggle's list, and return the list. Call it while `locked`.

        A row `pending` that is not in the list is looked for again, for two minutes; then it is `lost`.
        """
        listed = self.kaggle.submissions(self.slug)
        for row in ledger.load(self.root):
            if row.competition != self.slug:
                continue
            found = _find(listed, row)
            if found is not None:
                self._record(row, settle(row, found))
            elif row.status == "pending":
                console.say(f"{row.submission} was being sent and was stopped; looking for {row.tag} for two minutes")
                self._read_back(row)
        return listed

    def adopt(self, listed: Sequence[Listed], candidate: SubmissionCandidate) -> None:
        """Enter sends of this candidate that Kaggle lists and the ledger lacks: of another machine, or lost here."""
        known = {row.tag for row in ledger.load(self.root)}
        for tag, found in _tagged(listed).items():
            if tag in known or tag != candidate.row(self.slug, attempt_of(tag), "").tag:
                continue
            date = found.date.isoformat(timespec="seconds") if found.date else self.clock.date()
            row = candidate.row(self.slug, attempt_of(tag), date)
            ledger.record(self.root, settle(row, found))

    def send(self, candidate: SubmissionCandidate) -> Row:
        """Send it once and read it back from Kaggle's list. Call it while `locked`, after `reconcile` and `adopt`.

        Raises:
            Refused: if Kaggle does not take it.
            Paused: if it does not show up; the next command looks again.
        """
        if candidate.csv is not None and digest.of_file(candidate.csv) != candidate.sha256:
            raise UserError(f"{candidate.csv} changed after it was checked; run the same command again.")
        attempt = 1 + max((attempt_of(row.tag) for row in sent_before(self.root, self.slug, candidate)), default=0)
        row = candidate.row(self.slug, attempt, self.clock.date())
        ledger.record(self.root, row)
        try:
            ref = self._upload(candidate, row)
        except Refused as error:
            self._record(row, replace(row, status="refused", error=one_line(error.reason or str(error))))
            raise
        except Unreachable as error:
            self._record(row, replace(row, status="refused", error=one_line(f"not sent: {error}")))
            raise Paused(f"{error} Nothing was sent; the same command tries again.") from error
        except LostReply as error:
            console.warn(f"{error} Looking for {row.tag} in Kaggle's list.")
        else:
            row = self._record(row, replace(row, status="sent", ref=ref))
        row = self._read_back(row)
        if row.status == "lost":
            raise Paused(
                f"Kaggle's list does not show {row.tag}; the same command looks again before it sends anything."
            )
        return row

    def await_score(self, row: Row, until: float) -> Row:
        """Return `row` with its score. Raise Paused if there is none by `until` on the clock."""

        def look(_: int) -> Row | None:
            found = _find(self.kaggle.submissions(self.slug), row)
            if found is None:
                return None
            scored = self._record(row, settle(row, found))
            return scored if scored.settled else None

        return poll(f"Kaggle has {row.submission} ({row.tag}) and no score for it", look, until, self.clock)

    def _upload(self, candidate: SubmissionCandidate, row: Row) -> int:
        message = f"{row.tag} {row.submission} {row.method}".strip()
        if candidate.csv is not None:
            return self.kaggle.submit_file(self.slug, candidate.csv, message)
        return self.kaggle.submit_kernel(self.slug, candidate.kernel, candidate.version, message)

    def _read_back(self, row: Row) -> Row:
        """Return `row` as the list shows it. Not seen in all looks: `lost`, unless Kaggle had confirmed it.

        Raise Paused, with the row as it was, if the list cannot be read at the last look.
        """

        def look(number: int) -> Row | None:
            found = _find(self.kaggle.submissions(self.slug), row)
            if found is not None:
                return self._record(row, settle(row, found))
            if number + 1 < LOOKS_AFTER_LOST_REPLY:
                return None
            if row.status != "sent":
                return self._record(row, replace(row, status="lost"))
            console.warn(f"Kaggle took {row.tag} and does not list it yet.")
            return row

        what = f"Kaggle's list cannot be read, and {row.tag} is looked for before anything is sent"
        return poll(what, look, self.clock.now() + LOOKING_SECONDS, self.clock)

    def _record(self, old: Row, new: Row) -> Row:
        if new != old:
            ledger.record(self.root, new)
        return new


def sent_before(root: Path, slug: str, candidate: SubmissionCandidate) -> list[Row]:
    """Return the rows of the same content to the same competition.

    Args:
        root: Folder of submissions.
        slug: The competition.
        candidate: What would be sent.
    """
    content = candidate.row(slug, 1, "").content
    return [row for row in ledger.load(root) if (row.competition, row.content) == (slug, content)]


def unsettled(rows: Sequence[Row], again: bool) -> Row | None:
    """Return, of all sends of one candidate, the one whose score is awaited; None if it is to be sent.

    Raises:
        UserError: if it was sent already, unless `again`.
    """
    waiting = [row for row in rows if row.status == "sent"]
    taken = [row for row in rows if row.status not in ("refused", "failed")]
    if waiting or not taken or again:
        return waiting[-1] if waiting else None
    last = taken[-1]
    if last.status == "scored":
        score = "no public score" if last.public is None else f"public {last.public:.5f}"
        raise UserError(f"{last.submission} was sent already on {last.date} ({score}); send it anew with --again.")
    raise UserError(
        f"{last.submission} was sent on {last.date}, no answer came and Kaggle's list does not show it ({last.tag}); "
        f"see https://www.kaggle.com/competitions/{last.competition}/submissions, and if it is not there, use --again."
    )


def settle(row: Row, found: Listed) -> Row:
    """Return `row` with what Kaggle's list says of it. A state that may still change takes no known score back."""
    update: dict[str, Any] = {"ref": found.ref or row.ref}
    if found.status == "complete":
        scores = {"public": found.public_score, "private": found.private_score}
        update |= {"status": "scored", "error": ""}
        update |= {name: score for name, score in scores.items() if score is not None}
    elif found.status == "error":
        update |= {"status": "failed", "error": one_line(found.error) or "Kaggle gave no reason"}
    elif row.status not in ("scored", "failed"):
        update |= {"status": "sent", "error": ""}
    return replace(row, **update)


def _find(listed: Sequence[Listed], row: Row) -> Listed | None:
    """Return the one with our tag, or with the number that Kaggle gave when it took it."""
    return _tagged(listed).get(row.tag) or next((one for one in listed if row.ref and one.ref == row.ref), None)


def _tagged(listed: Sequence[Listed]) -> dict[str, Listed]:
    """Return those whose message begins with a tag, by it; of two with one tag the first in the list."""
    words = [(one.message.partition(" ")[0], one) for one in reversed(listed)]
    return {word: one for word, one in words if TAG.fullmatch(word)}
