from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffdi.core.errors import LockedError, UserError
from ffdi.submission import ledger, send, tag
from ffdi.submission.answers import Sent
from ffdi.submission.row import Row
from tests.kaggle_server.faults import refuse
from tests.kaggle_server.state import Competition, Outcome
from tests.submission.sending import World
from tests.submission.test_ledger import row


def listed(status: str = "complete", **changes: Any) -> Sent:
    given = {"ref": 7, "date": datetime(2026, 11, 22, tzinfo=UTC), "public": None, "private": None, "error": "",
             "message": f"{row().tag} 001-toy rank_mean", "file_name": "submission.csv"}  # fmt: skip
    return Sent(status=status, **given | changes)


@pytest.mark.parametrize("known", ["pending", "lost", "sent", "refused"])
@pytest.mark.parametrize(
    ("found", "status", "public"),
    [
        (listed("pending"), "sent", None),
        (listed("unknown: pondering"), "sent", None),
        (listed("complete", public=0.9, private=0.8), "scored", 0.9),
        (listed("complete"), "scored", None),
        (listed("error", error="=1\nbad"), "failed", None),
    ],
)
def test_what_the_list_says_settles_a_row(known: Any, found: Sent, status: str, public: float | None) -> None:
    after = send.told(row(status=known), found)
    assert (after.status, after.public, after.ref) == (status, public, 7)
    assert after.error == ("'=1 bad" if status == "failed" else "")
    assert Row.model_validate(after.model_dump()) == after


@pytest.mark.parametrize(
    ("found", "status", "public", "private"),
    [
        (listed("pending"), "scored", 0.9, None),
        (listed("complete"), "scored", 0.9, None),
        (listed("complete", public=0.91), "scored", 0.91, None),  # a rescore
        (listed("complete", public=0.9, private=0.8), "scored", 0.9, 0.8),  # the end of the contest
    ],
)
def test_a_known_score_is_kept_until_there_is_another(found: Sent, status: str, public: float, private: Any) -> None:
    after = send.told(row(status="scored", public=0.9), found)
    assert (after.status, after.public, after.private) == (status, public, private)


@pytest.mark.parametrize(
    ("statuses", "again", "expected"),
    [
        ([], False, None),
        (["refused"], False, None),
        (["failed", "refused"], False, None),
        (["sent"], False, 0),
        (["sent"], True, 0),
        (["sent", "refused"], False, 0),
        (["scored", "sent"], False, 1),
        (["scored"], False, "sent already"),
        (["scored", "refused"], False, "sent already"),
        (["scored"], True, None),
        (["lost"], False, "use --again"),
        (["lost"], True, None),
        (["pending"], False, "use --again"),  # which `reconcile` leaves to nobody
    ],
)
def test_what_was_sent_decides_whether_to_send(statuses: list[Any], again: bool, expected: Any) -> None:
    mine = [row(number, status=status) for number, status in enumerate(statuses)]
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            send.awaited(mine, again)
    else:
        assert send.awaited(mine, again) == (None if expected is None else mine[expected])


@given(st.text(), st.text(), st.text(), st.integers(1, 10**6), st.text())
def test_a_tag_is_read_from_its_message_alone(slug: str, inputs: str, content: str, attempt: int, more: str) -> None:
    name = tag.tag(tag.stem(slug, inputs, content), attempt)
    assert tag.read(f"{name} {more}") == tag.read(name) == name
    assert tag.attempt(name) == attempt
    assert tag.read(f"x{name}") is tag.read(f"{name}x") is None
    assert tag.stem(slug, inputs, content + "x") != tag.stem(slug, inputs, content)


def test_one_sender_at_a_time(world: World) -> None:
    with world.office().alone():
        with pytest.raises(LockedError), world.office().alone():
            pass
        assert world.run("submit", "--yes") == 2
    assert world.sent == 0


def test_a_file_that_changes_after_the_check_is_not_sent(world: World) -> None:
    parcel = world.parcel()
    assert parcel.csv is not None
    parcel.csv.write_text(parcel.csv.read_text().replace("0.", "0.1", 1))
    with pytest.raises(UserError, match="changed after it was checked"):
        send.send(world.office(), parcel, 1)
    assert (world.sent, world.rows) == (0, [])


def test_the_row_is_on_disk_before_the_first_byte_goes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    office, seen = world.office(), []

    def submit_file(slug: str, path: Path, message: str) -> int:
        seen.append([(one.status, one.tag) for one in ledger.load(world.root)])
        seen.append((world.root / ledger.LEDGER).read_text().count("pending"))
        raise KeyboardInterrupt

    monkeypatch.setattr(office.kaggle, "submit_file", submit_file)
    with pytest.raises(KeyboardInterrupt):
        send.send(office, world.parcel(), 1)
    assert seen == [[("pending", world.rows[0].tag)], 1]


def test_a_bad_connection_while_waiting_is_sat_out(world: World) -> None:
    world.server.state.outcomes.append(Outcome(after=1))
    sent = send.send(world.office(), world.parcel(), 1)
    world.server.script("ListSubmissions", *[refuse(503)] * 6)
    assert send.wait(world.office(), sent, world.time.now + 3600).status == "scored"


def test_competitions_are_reconciled_apart(world: World) -> None:
    world.server.state.competitions["other"] = Competition("Other")
    assert world.run("submit", "--yes", "--no-wait") == 0
    assert world.run("submit", "--yes", "--no-wait", "--competition", "other") == 0
    assert {one.competition: one.status for one in world.rows} == {"toy": "sent", "other": "sent"}
    send.reconcile(world.office())
    assert {one.competition: one.status for one in world.rows} == {"toy": "scored", "other": "sent"}


def test_a_second_machine_finds_what_the_first_has_sent(world: World) -> None:
    card = (world.root / "001-toy/card.json").read_bytes()
    assert world.run("submit", "--yes") == 0
    (first,) = world.rows
    (world.root / ledger.LEDGER).unlink()
    (world.root / "001-toy/card.json").write_bytes(card)
    assert world.run("submit") == 2
    assert "sent already" in world.err
    (found,) = world.rows
    assert (found.tag, found.ref, found.public) == (first.tag, first.ref, first.public)
