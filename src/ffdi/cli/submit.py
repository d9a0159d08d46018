"""`ffdi submit`: check, say what would be sent, and with --yes send it once and wait for its score."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ffdi.cli.desk import open_desk
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.core import console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.submission import ledger, send
from ffdi.submission.check import check
from ffdi.submission.kaggle import sign_in
from ffdi.submission.parcel import Parcel, keep_card, of_file, of_kernel, worth
from ffdi.submission.row import Row
from ffdi.submission.send import Clock, Office

CLOCK = Clock()


@dataclass(frozen=True)
class Asked:
    """The command line. `submission`: a folder, its number or a CSV; `wait`: a text such as 30m, "" for not at all."""

    submission: str | None
    kernel: str
    version: int | None
    file: str
    slug: str
    yes: bool
    again: bool
    wait: str


@dataclass(frozen=True)
class Where:
    """The places that a verb starts from, not looked at yet: most of them are needed for a loose CSV alone."""

    recipe: Path
    data: Path | None
    work: Path
    submissions: Path


def run(asked: Asked, where: Where) -> None:
    """Raises UserError and Refused (exit code 2) with nothing sent, Paused (75) while a score is awaited."""
    until = parse_until(asked.wait, CLOCK.now(), "--wait")
    parcel = _parcel(asked, where.submissions)
    name = str(parcel.card.get("competition") or load_recipe(where.recipe).competition)
    competition = load_competition(name)
    slug = checked_slug(asked.slug or competition.slug)
    if parcel.csv is not None:
        ids = _test_ids(parcel, competition, where)
        check(parcel.csv, competition, ids)
        _whole(len(ids), competition, slug, asked.yes)
    _show(parcel, slug, send.sends(ledger.load(where.submissions), parcel, slug))
    office = _office(slug, where.submissions, asked.yes)
    if office is None:
        return
    with office.alone():
        row = _deliver(office, parcel, name, asked)
    if row is None:
        return
    if not row.settled and until is not None:
        console.say(f"waiting for the score of {row.submission} (leaving is safe: the same command goes on)")
        row = send.wait(office, row, until)
    tell(row)


def checked_slug(slug: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
        raise UserError(f"{slug!r} is not a competition's name at Kaggle's: give the last part of its address alone.")
    return slug


def tell(row: Row) -> None:
    """What became of a send. Raises UserError if Kaggle could not score it."""
    if row.status == "failed":
        raise UserError(f"Kaggle could not score {row.submission} ({row.tag}): {row.error}.")
    if row.status != "scored":
        console.say(f"{row.submission} is sent ({row.tag}); `ffdi ledger --refresh` asks for its score")
        return
    known = {"public": row.public, "private": row.private}
    scores = ", ".join(f"{name} {value:.5f}" for name, value in known.items() if value is not None)
    expected = "" if row.forecast_low is None else f" (forecast {row.forecast_low:.4f} to {row.forecast_high:.4f})"
    console.say(f"{row.submission} is scored: {scores or 'no score is shown yet'}{expected}")


def _parcel(asked: Asked, root: Path) -> Parcel:
    if not asked.kernel:
        if asked.version is not None:
            raise UserError("--version belongs to --kernel OWNER/SLUG; name the kernel too.")
        return of_file(asked.submission, root)
    if asked.version is None or asked.version < 1:
        raise UserError(f"--kernel {asked.kernel} needs --version N, the number that its push gave.")
    return of_kernel(asked.kernel, asked.version, asked.file, asked.submission, root)


def _test_ids(parcel: Parcel, competition: Competition, where: Where) -> list[str]:
    """The ids that the competition asks for: of the manifest that the card names, else of the recipe's folder."""
    from ffdi.data import manifest

    for path in sorted((where.work / competition.name).glob("*/manifest.parquet")):
        try:
            rows = manifest.read(Workspace(path.parent, where.submissions))
        except UserError:
            continue  # of another folder of images, perhaps; the one that is needed is looked for below
        if manifest.digest(rows) == parcel.card.get("manifest"):
            break
    else:
        rows = manifest.read(open_desk(where.recipe, where.data, where.work, where.submissions).places)
    return rows.loc[rows["split"] == "test", "id"].tolist()


def _whole(rows: int, competition: Competition, slug: str, yes: bool) -> None:
    """Refuse to spend a slot on the predictions for a sample of the contest, such as the embedded one."""
    if competition.board is None or 2 * rows > competition.board.public_rows:
        return
    told = f"{rows:,} images were predicted and the board of {slug} scores {competition.board.public_rows:,}"
    if yes:
        raise UserError(f"{told}: this is a sample of the contest; run the recipe with DATA=… on the whole of it.")
    console.warn(f"{told}: for a sample of the contest nothing can be sent.")


def _show(parcel: Parcel, slug: str, mine: list[Row]) -> None:
    """What would be sent, what its card says, and what came of it before."""
    told = worth(parcel.card)
    if parcel.kernel:
        what = f"{parcel.kernel} version {parcel.version}: {parcel.file}"
    else:
        what = f"{parcel.csv} (sha256 {parcel.sha256[:12]}…)"
    rows = [["to", slug], ["what", what]]
    rows.append(["method", told["method"] or "unknown: it has no blend card"])
    auc = (parcel.card.get("blend") or {}).get("auc")
    if auc:
        rows.append(["OOF AUC (95 %)", _span(auc["value"], auc["low"], auc["high"])])
    if "nested" in told:
        rows.append(["nested AUC (95 %)", _span(told["nested"], told["nested_low"], told["nested_high"])])
    if "forecast_low" in told:
        rows.append(["public board, forecast (90 %)", f"{told['forecast_low']:.4f} to {told['forecast_high']:.4f}"])
    for row in mine:
        score = "" if row.public is None else f", public {row.public:.5f}"
        rows.append([f"sent {row.date}", f"{row.status}{score}{row.error and ': '}{row.error}"])
    console.table(f"submission: {parcel.name}", ["", ""], rows)


def _office(slug: str, root: Path, needed: bool) -> Office | None:
    """None without a credential, unless it is `needed`."""
    try:
        return Office(sign_in(), slug, root, CLOCK)
    except UserError as error:
        if needed:
            raise
        console.warn(f"{error} How many submissions are left today is not known.")
        console.say("nothing was sent; with --yes (make submit YES=1) it is")
        return None


def _deliver(office: Office, parcel: Parcel, competition: str, asked: Asked) -> Row | None:
    """The row of the send, of an earlier one whose score is awaited, or None without --yes."""
    keep = partial(keep_card, competition=competition, root=office.root)
    listed = send.reconcile(office)
    parcel = send.adopt(office, listed, parcel, keep)
    mine = send.sends(ledger.load(office.root), parcel, office.slug)
    awaited = send.awaited(mine, asked.again)
    if awaited is not None:
        if asked.yes:
            return awaited
        tell(awaited)
        return None
    left = office.kaggle.limits(office.slug)
    console.say(f"submissions to {office.slug}: {left.today} today, {left.allowed_now} left until 00:00 UTC")
    if not asked.yes:
        console.say("nothing was sent; with --yes (make submit YES=1) it is")
        return None
    if left.allowed_now < 1 and left.total:  # all zero: Kaggle knows no team of this user yet, and may take it
        raise UserError(f"No submission to {office.slug} is left today; the next ones are given at 00:00 UTC.")
    if parcel.kernel:
        _check_kernel(office, parcel)
    return send.send(office, keep(parcel), send.next_attempt(mine))


def _check_kernel(office: Office, parcel: Parcel) -> None:
    owner, _, slug = parcel.kernel.partition("/")
    found = office.kaggle.kernel_status(owner, slug, parcel.version)
    if found.state != "complete":
        why = f": {found.message}" if found.message else ""
        remedy = "wait until it is complete" if found.running else "push it again"
        raise UserError(f"{parcel.kernel} version {parcel.version} is {found.state}{why}; {remedy}, then submit it.")


def _span(value: float, low: float, high: float) -> str:
    return f"{value:.4f} ({low:.4f} to {high:.4f})"
