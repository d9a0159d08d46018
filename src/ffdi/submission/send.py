"""How a submission is sent so that no kill and no lost answer can send it twice or lose it.

A row `pending` is written first, then the upload, then Kaggle's list is read back for our tag. Whatever happens in
between, the next call finds that row and looks for its tag before it does anything else.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ffdi.core import console, digest
from ffdi.core.errors import Paused, UserError
from ffdi.core.lock import exclusive
from ffdi.submission import ledger, tag
from ffdi.submission.answers import Sent
from ffdi.submission.kaggle import Kaggle
from ffdi.submission.parcel import Parcel
from ffdi.submission.refusals import LostReply, Refused, Unreachable
from ffdi.submission.row import Row, plain
from ffdi.submission.watch import Watch

LOOKS = (0.0, 3.0, 7.0, 20.0, 30.0, 60.0)  # seconds before each look for one that the list does not show yet
LOCK = ".sending"


@dataclass(frozen=True)
class Clock:
    """Seconds since the epoch, and a way to let some pass."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def date(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Office:
    """One competition (`slug`) at Kaggle's, the submissions folder with our ledger, and the clock."""

    kaggle: Kaggle
    slug: str
    root: Path
    clock: Clock = Clock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One sender at a time: a row `pending` is then one that was killed. Raises LockedError."""
        with exclusive(self.root, LOCK):
            yield


def reconcile(office: Office) -> list[Sent]:
    """Bring the rows of this competition up to Kaggle's list, and return that. Only for one who is `alone`.

    A row `pending` that is not in the list is looked for again, for two minutes; then it is `lost`.
    """
    listed = office.kaggle.submissions(office.slug)
    for row in (row for row in ledger.load(office.root) if row.competition == office.slug):
        found = _find(listed, row)
        if found is not None:
            _put(office, row, told(row, found))
        elif row.status == "pending":
            console.say(f"{row.submission} was being sent when that was stopped; looking for {row.tag} for two minutes")
            _read_back(office, row)
    return listed


def adopt(office: Office, listed: Sequence[Sent], parcel: Parcel, keep: Callable[[Parcel], Parcel]) -> Parcel:
    """Enter sends of this parcel that Kaggle lists and no row tells of: from another machine, or a ledger that is lost.

    `keep` gives a parcel without a folder one, if it is needed.
    """
    known = {row.tag for row in ledger.load(office.root)}
    for name, found in tag.by_tag((one.message, one) for one in listed).items():
        if name in known or name != tag.tag(parcel.stem(office.slug), tag.attempt(name)):
            continue
        parcel = keep(parcel)
        date = office.clock.date() if found.date is None else found.date.astimezone(UTC).isoformat(timespec="seconds")
        ledger.record(office.root, told(parcel.row(office.slug, tag.attempt(name), date), found))
    return parcel


def sends(rows: Sequence[Row], parcel: Parcel, slug: str) -> list[Row]:
    """Those of the same content to the same competition."""
    return [row for row in rows if row.competition == slug and row.content == parcel.content]


def next_attempt(mine: Sequence[Row]) -> int:
    return 1 + max((tag.attempt(row.tag) for row in mine), default=0)


def awaited(mine: Sequence[Row], again: bool) -> Row | None:
    """Of all `sends` of a parcel the one whose score is awaited; None if it is to be sent.

    Raises UserError if it was sent already, unless `again`.
    """
    waiting = [row for row in mine if row.status == "sent"]
    taken = [row for row in mine if row.status not in ("refused", "failed")]
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


def send(office: Office, parcel: Parcel, attempt: int) -> Row:
    """Send it once and read it back from Kaggle's list. Only for one who is `alone`, after `reconcile` and `adopt`.

    Raises Refused if Kaggle does not take it; Paused if it does not show up, when the next call looks again.
    """
    if parcel.csv is not None and digest.of_file(parcel.csv) != parcel.sha256:
        raise UserError(f"{parcel.csv} changed after it was checked; run the same command again.")
    row = parcel.row(office.slug, attempt, office.clock.date())
    ledger.record(office.root, row)
    try:
        ref = _upload(office, parcel, row)
    except Refused as error:
        _put(office, row, row.model_copy(update={"status": "refused", "error": plain(error.reason or str(error))}))
        raise
    except Unreachable as error:
        _put(office, row, row.model_copy(update={"status": "refused", "error": plain(f"not sent: {error}")}))
        raise Paused(f"{error} Nothing was sent; the same command tries again.") from error
    except LostReply as error:
        console.warn(f"{error} Looking for {row.tag} in Kaggle's list.")
    else:
        row = _put(office, row, row.model_copy(update={"status": "sent", "ref": ref or None}))
    row = _read_back(office, row)
    if row.status == "lost":
        raise Paused(f"Kaggle's list does not show {row.tag}; the same command looks again before it sends anything.")
    return row


def wait(office: Office, row: Row, until: float) -> Row:
    """`row` with its score. Raises Paused if there is none by `until` on the office's clock; the row stays as it is."""
    odd = set[str]()

    def look(_: int) -> Row | None:
        found = _find(office.kaggle.submissions(office.slug), row)
        if found is None:
            return None
        if found.status.startswith("unknown") and found.status not in odd:
            odd.add(found.status)
            console.warn(f"Kaggle reports {found.status!r}, a state that the kit does not know; it waits on.")
        scored = _put(office, row, told(row, found))
        return scored if scored.settled else None

    watch = Watch(until, office.clock.now, office.clock.sleep)
    return watch.wait(f"Kaggle has {row.submission} ({row.tag}) and no score for it", look)


def told(row: Row, found: Sent) -> Row:
    """`row` with what Kaggle's list says of it. A state that is on the way takes no known score back."""
    update: dict[str, object] = {"ref": found.ref or row.ref}
    if found.status == "complete":
        public, private = found.public, found.private
        update |= {"status": "scored", "error": "", "public": row.public if public is None else public}
        update |= {"private": row.private if private is None else private}
    elif found.status == "error":
        update |= {"status": "failed", "error": plain(found.error) or "Kaggle gave no reason"}
    elif row.status not in ("scored", "failed"):
        update |= {"status": "sent", "error": ""}
    return row.model_copy(update=update)


def _upload(office: Office, parcel: Parcel, row: Row) -> int:
    message = f"{row.tag} {row.submission} {row.method}".strip()
    if parcel.csv is not None:
        return office.kaggle.submit_file(office.slug, parcel.csv, message)
    owner, _, kernel = parcel.kernel.partition("/")
    return office.kaggle.submit_kernel(office.slug, owner, kernel, parcel.version or 0, parcel.file, message)


def _read_back(office: Office, row: Row) -> Row:
    """`row` as the list shows it, looked for several times. Not seen: `lost`, unless Kaggle had confirmed it.

    Raises Paused, with the row as it was, if the list could not be read at all.
    """
    answered = False
    for pause in LOOKS:
        office.clock.sleep(pause)
        try:
            found = _find(office.kaggle.submissions(office.slug), row)
        except Unreachable as error:
            console.warn(str(error))
            continue
        answered = True
        if found is not None:
            return _put(office, row, told(row, found))
    if row.status == "sent":
        console.warn(f"Kaggle took {row.tag} and does not list it yet.")
        return row
    if not answered:
        raise Paused(f"Kaggle's list cannot be read; the same command looks for {row.tag} before it sends anything.")
    return _put(office, row, row.model_copy(update={"status": "lost"}))


def _find(listed: Sequence[Sent], row: Row) -> Sent | None:
    """By our tag, or by the number that Kaggle gave when it took it."""
    tagged = tag.by_tag((one.message, one) for one in listed)
    return tagged.get(row.tag) or next((one for one in listed if row.ref and one.ref == row.ref), None)


def _put(office: Office, old: Row, new: Row) -> Row:
    if new != old:
        ledger.record(office.root, new)
    return new
