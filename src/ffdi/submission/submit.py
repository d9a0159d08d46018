"""`submit`: check a submission, say what it is worth, send it once, and wait for its score."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.config.load import load_competition
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import MANIFEST, Workspace
from ffdi.core.stop import parse_until
from ffdi.submission.candidate import SubmissionCandidate, candidate_of_file, candidate_of_kernel
from ffdi.submission.check import check
from ffdi.submission.client import sign_in
from ffdi.submission.download import checked_slug
from ffdi.submission.ledger import Row
from ffdi.submission.retry import Clock
from ffdi.submission.send import SubmissionSession, sent_before, unsettled

CLOCK = Clock()


def submit(
    submission: str | Path | None = None,
    *,
    yes: bool = False,
    again: bool = False,
    wait: str = "30m",
    competition: str = "",
    slug: str = "",
    kernel: str = "",
    version: int = 0,
    work: str | Path = "work",
    submissions: str | Path = "submissions",
) -> Row | None:
    """Check a submission and show what would be sent; with `yes`, send it once and wait for its score.

    After a kill or a lost answer the same call looks at Kaggle's list first. Nothing is sent twice unless `again`.

    Args:
        submission: a folder of `submissions`, its number, or a CSV; None for the newest. For a kernel: what it repeats.
        yes: send it; without this nothing is asked of Kaggle.
        again: send it although it was sent before.
        wait: how long to wait for the score; "" for not at all.
        competition: name or TOML file of the competition, for a submission whose card does not name it.
        slug: Kaggle's name of the competition; "" for that of its TOML.
        kernel: "owner/slug" of a kernel whose output is sent instead of a file.
        version: the kernel's version.
        work: the folder with the manifests, whose test ids the file must have.
        submissions: the folder of submissions and of the ledger.

    Returns:
        The row of the ledger; None if nothing was sent.

    Raises:
        UserError: if Kaggle would refuse the file, or refuses it; nothing was sent then.
        Paused: if there is no score by the end of `wait`; the same call goes on.

    Example:
        >>> ffdi.submit("submissions/001-sample", yes=True)  # doctest: +SKIP
    """
    until, root = parse_until(wait, CLOCK.now(), "--wait"), Path(submissions)
    given = None if submission is None else str(submission)
    remote = kernel or version
    candidate = candidate_of_kernel(kernel, version, given, root) if remote else candidate_of_file(given, root)
    named = load_competition(str(candidate.card.get("competition") or competition))
    slug = _check(candidate, named, slug, Path(work), yes)
    _show(candidate, slug, sent_before(root, slug, candidate))
    if not yes:
        console.say("nothing was sent, and nothing asked of Kaggle; with --yes (make submit YES=1) it is sent")
        return None
    session = SubmissionSession(sign_in(), slug, root, CLOCK)
    with session.locked():
        row = _deliver(session, candidate, again)
    return _follow(session, row, until)


def expected_ids(given: Iterable[str], competition: Competition, work: Path) -> list[str] | None:
    """Return the ids that a submission must have, in the competition's order; None if no manifest knows them.

    Args:
        given: the ids that it has. The manifest counts whose test ids are most like them.
        competition: whose manifests are looked at.
        work: the folder with the manifests.
    """
    from ffdi.data import manifest

    mine = set(given)

    def alike(ids: list[str]) -> float:
        return len(mine.intersection(ids)) / len(mine.union(ids))

    found: list[str] = []
    for place in sorted((work / competition.name).glob(f"*/{MANIFEST}")):
        rows = manifest.read(Workspace(place.parent, work))
        found = max(found, rows.loc[rows["split"] == "test", "id"].tolist(), key=alike)
    return found if alike(found) else None


def _check(candidate: SubmissionCandidate, competition: Competition, slug: str, work: Path, yes: bool) -> str:
    """Return the slug. Raise UserError for a file that Kaggle would refuse, and for one of a sample of the contest."""
    slug = checked_slug(slug or competition.slug)
    if candidate.csv is None:
        return slug
    path = candidate.csv
    given = check(path, competition, None)[competition.id_column]
    ids = expected_ids(given, competition, work)
    if ids is None:
        raise UserError(
            f"{path}: no manifest in {work / competition.name} has its images, such as {given[0]!r}; write the ids as "
            "the contest's table has them, run `ffdi folds` with the contest's folder, or name the right --work."
        )
    check(path, competition, ids)
    if competition.board is None or 2 * len(ids) > competition.board.public_rows:
        return slug
    told = f"{len(ids):,} images were predicted and the leaderboard of {slug} scores {competition.board.public_rows:,}"
    if yes:
        raise UserError(f"{told}: this is a sample of the contest; run the recipe with DATA=… on the whole of it.")
    console.warn(f"{told}: for a sample of the contest nothing can be sent.")
    return slug


def _show(candidate: SubmissionCandidate, slug: str, before: Sequence[Row]) -> None:
    """Print what would be sent, what its card says, and what came of it before."""
    row, auc = candidate.row(slug, 1, ""), (candidate.card.get("blend") or {}).get("auc")
    file = f"{candidate.csv} (sha256 {candidate.sha256[:12]}…)"
    lines = [
        ["to", slug],
        ["what", f"{row.kernel} version {row.version}" if row.kernel else file],
        ["method", row.method or "unknown: it has no blend card"],
    ]
    if auc:
        lines.append(["OOF AUC (95 %)", _interval(auc["low"], auc["high"], auc["value"])])
    if row.nested is not None:
        lines.append(["nested AUC (95 %)", _interval(row.nested_low, row.nested_high, row.nested)])
    if row.forecast_low is not None:
        lines.append(["public leaderboard, forecast (90 %)", _interval(row.forecast_low, row.forecast_high)])
    for sent in before:
        score = "" if sent.public is None else f", public {sent.public:.5f}"
        lines.append([f"sent {sent.date}", f"{sent.status}{score}{sent.error and ': '}{sent.error}"])
    console.table(f"submission: {candidate.name}", ["", ""], lines)


def _deliver(session: SubmissionSession, candidate: SubmissionCandidate, again: bool) -> Row:
    """Send it, or return the row of an earlier send whose score is awaited."""
    session.adopt(session.reconcile(), candidate)
    known = unsettled(sent_before(session.root, session.slug, candidate), again)
    if known is not None:
        return known
    left = session.kaggle.limits(session.slug)
    console.say(f"submissions to {session.slug}: {left.num_today} today, {left.num_allowed_now} left until 00:00 UTC")
    if left.num_allowed_now < 1 and left.num_total:  # all zero: Kaggle knows no team of this user yet, and may take it
        raise UserError(f"No submission to {session.slug} is left today; the next day begins at 00:00 UTC.")
    return session.send(candidate)


def _follow(session: SubmissionSession, row: Row, until: float | None) -> Row:
    """Wait for the score and print what became of it. Raise UserError if Kaggle could not score it."""
    if not row.settled and until is not None:
        console.say(f"waiting for the score of {row.submission} (you may stop: the same command goes on)")
        row = session.await_score(row, until)
    if row.status == "failed":
        raise UserError(f"Kaggle could not score {row.submission} ({row.tag}): {row.error}.")
    if row.status != "scored":
        console.say(f"{row.submission} is sent ({row.tag}); `ffdi ledger --refresh` asks for its score")
        return row
    known = {"public": row.public, "private": row.private}
    scores = ", ".join(f"{name} {value:.5f}" for name, value in known.items() if value is not None)
    expected = "" if row.forecast_low is None else f" (forecast {_interval(row.forecast_low, row.forecast_high)})"
    console.say(f"{row.submission} is scored: {scores or 'no score is shown yet'}{expected}")
    return row


def _interval(low: float | None, high: float | None, value: float | None = None) -> str:
    span = f"{low:.4f} to {high:.4f}"
    return span if value is None else f"{value:.4f} ({span})"
