from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ffdi.core.errors import LockedError, UserError
from ffdi.submission import ledger, send
from ffdi.submission.answers import Listed
from ffdi.submission.candidate import SubmissionCandidate, candidate_of_file, candidate_of_kernel
from tests.fixtures.kaggle.api import Competition
from tests.fixtures.sending import World, row


def listed(status: str = "complete", **changes: Any) -> Listed:
    given = {"ref": 7, "date": datetime(2026, 11, 22, tzinfo=UTC), "message": f"{row().tag} 001-toy rank_mean"}
    return Listed(status=status, **given | changes)


@pytest.mark.parametrize(
    ("known", "found", "after"),
    [
        *[(status, listed("pondering"), ("sent", None, None)) for status in ("pending", "lost", "sent", "refused")],
        ("pending", listed("complete", public_score=0.9, private_score=0.8), ("scored", 0.9, 0.8)),
        ("lost", listed("complete"), ("scored", None, None)),
        ("sent", listed("error", error="=1\nbad"), ("failed", None, None)),
    ],
)
def test_what_the_list_says_settles_a_row(known: Any, found: Listed, after: tuple[object, ...]) -> None:
    row_after = send.settle(row(status=known, error="no answer"), found)
    assert (row_after.status, row_after.public, row_after.private, row_after.ref) == (*after, 7)
    assert row_after.error == ("'=1 bad" if after[0] == "failed" else "")


@pytest.mark.parametrize(
    ("found", "public", "private"),
    [
        (listed("pending"), 0.9, None),
        (listed("complete"), 0.9, None),
        (listed("complete", public_score=0.91, private_score=0.8), 0.91, 0.8),  # a rescore, the end of the contest
    ],
)
def test_a_known_score_is_kept_until_there_is_another(found: Listed, public: float, private: Any) -> None:
    after = send.settle(row(status="scored", public=0.9), found)
    assert (after.status, after.public, after.private) == ("scored", public, private)


@pytest.mark.parametrize(
    ("statuses", "again", "expected"),
    [
        ([], False, None),
        (["failed", "refused"], False, None),
        (["sent", "refused"], False, 0),
        (["sent"], True, 0),
        (["scored", "sent"], False, 1),
        (["scored"], True, None),
        (["lost"], True, None),
        (["scored", "refused"], False, "sent already"),
        (["lost"], False, "--again"),
        (["pending"], False, "--again"),
    ],
)
def test_what_was_sent_decides_whether_to_send(statuses: list[Any], again: bool, expected: int | str | None) -> None:
    rows = [row(number, status=status) for number, status in enumerate(statuses)]
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            send.unsettled(rows, again)
    else:
        assert send.unsettled(rows, again) == (None if expected is None else rows[expected])


def test_one_sender_at_a_time(world: World) -> None:
    with world.session().locked():
        with pytest.raises(LockedError), world.session().locked():
            pass
        assert world.run("submit", "--yes") == 2
    assert world.sent == 0


def test_a_file_that_changes_after_the_check_is_not_sent(world: World) -> None:
    candidate = candidate_of_file(None, world.root)
    path = world.root / "001-toy" / "submission.csv"
    path.write_text(path.read_text().replace("0.", "0.1", 1))
    with pytest.raises(UserError, match="changed after it was checked"):
        world.session().send(candidate)
    assert (world.sent, world.rows) == (0, [])


def test_the_row_is_on_disk_before_the_first_byte_goes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session, seen = world.session(), []

    def submit_file(slug: str, path: Path, message: str) -> int:
        seen.extend([(one.status, one.tag) for one in ledger.load(world.root)])
        raise KeyboardInterrupt

    monkeypatch.setattr(session.kaggle, "submit_file", submit_file)
    with pytest.raises(KeyboardInterrupt):
        session.send(candidate_of_file(None, world.root))
    assert seen == [("pending", world.rows[0].tag)]


def test_competitions_are_reconciled_apart(world: World) -> None:
    world.server.state.competitions["other"] = Competition("Other")
    for more in ([], ["--competition", "other"]):
        assert world.run("submit", "--yes", "--no-wait", *more) == 0
    assert {one.competition: one.status for one in world.rows} == {"toy": "sent", "other": "sent"}
    world.session().reconcile()
    assert {one.competition: one.status for one in world.rows} == {"toy": "scored", "other": "sent"}


@pytest.mark.parametrize(("message", "found"), [("{} 001-toy", True), ("{}", True), ("x{}", False), ("{}x", False)])
def test_a_send_is_found_by_the_first_word_of_its_message(world: World, message: str, found: bool) -> None:
    candidate = candidate_of_file(None, world.root)
    tag = candidate.row("toy", 3, "").tag
    world.session().adopt([listed(message=message.format(tag))], candidate)
    assert [one.tag for one in world.rows] == [tag] * found
    assert candidate.row("other", 3, "").tag != tag


def test_the_tag_depends_on_what_is_sent_alone(world: World, tmp_path: Path) -> None:
    """So another machine that has the file without its card, or names the kernel without a submission, finds it."""

    def tag(candidate: SubmissionCandidate) -> str:
        return candidate.row("toy", 1, "").tag

    (tmp_path / "copy.csv").write_bytes((world.root / "001-toy" / "submission.csv").read_bytes())
    copy = candidate_of_file(str(tmp_path / "copy.csv"), tmp_path / "none")
    assert tag(copy) == tag(candidate_of_file("1", world.root))
    assert len({tag(candidate_of_kernel("me/infer", 2, given, world.root)) for given in (None, "1")}) == 1
