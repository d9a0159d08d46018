"""No kill and no lost answer sends a submission twice or loses one: Kaggle's list and the ledger agree in the end."""

import itertools
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ffdi.cli import main as command
from ffdi.core import atomic
from ffdi.core.layout import LEDGER, LEDGER_CSV
from ffdi.submission import transfer
from ffdi.submission.http import HttpClient
from ffdi.submission.retry import LOOKS_AFTER_LOST_REPLY
from tests.fixtures.kaggle.api import Outcome, Run
from tests.fixtures.kaggle.server import Fault, answer, cut, lose, refuse
from tests.fixtures.sending import World

KERNEL = ("submit", "1", "--kernel", "tester/infer", "--version", "1", "--yes")


def agree(world: World) -> None:
    """Every tag was used once, and the ledger says `scored` or `sent` of exactly those that Kaggle has."""
    made = Counter(one.description.split()[0] for one in world.server.state.submissions)
    assert set(made.values()) <= {1}
    assert {row.tag for row in world.rows if row.status in ("scored", "sent")} == set(made)


@pytest.mark.parametrize("hidden", [0, 3])
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [(lose(), 0, "scored"), (lose(503), 0, "scored"), (answer(b"<html>", "text/html"), 75, "lost")],
    ids=["cut", "503", "a page"],
)
def test_a_lost_answer_is_found_in_the_list(world: World, fault: Fault, code: int, status: str, hidden: int) -> None:
    world.server.state.hide = hidden
    world.server.script("CreateSubmission", fault)
    assert world.run("submit", "--yes") == code
    assert (world.statuses, world.sent) == ([status], 1)
    agree(world)


def test_a_lost_answer_that_shows_up_late_is_found_by_the_next_call(world: World) -> None:
    world.server.state.hide = LOOKS_AFTER_LOST_REPLY + 1
    world.server.script("CreateSubmission", lose())
    assert world.run("submit", "--yes") == 75
    assert "looks again before it sends anything" in world.err
    assert (world.statuses, sum(world.time.slept)) == (["lost"], 30 + 45 + 67.5)
    assert world.run("submit", "--yes") == 2  # still hidden: nothing is sent on a guess
    assert "use --again" in world.err
    world.server.state.submissions[0].hidden = 0
    assert world.run("submit", "--yes") == 0
    assert (world.statuses, world.sent) == (["scored"], 1)
    agree(world)


@pytest.mark.parametrize(
    ("fault", "says"),
    [(cut(), "looks again before"), (answer({"message": "Could not submit to competition"}), "Could not submit to")],
    ids=["cut", "no number"],  # taken for a success it would be waited for without end
)
def test_what_was_never_done_is_sent_again_only_by_order(world: World, fault: Fault, says: str) -> None:
    world.server.script("CreateSubmission", fault)
    assert world.run("submit", "--yes") == 75
    assert says in world.err
    assert world.run("submit", "--yes") == 2
    assert (world.statuses, world.sent) == (["lost"], 1)
    assert world.run("submit", "--yes", "--again") == 0
    assert world.statuses == ["lost", "scored"]
    agree(world)


def test_a_list_that_cannot_be_read_settles_nothing(world: World) -> None:
    world.server.script("CreateSubmission", lose())
    world.server.script("ListSubmissions", answer({}), *[refuse(503)] * 3 * LOOKS_AFTER_LOST_REPLY)
    assert world.run("submit", "--yes") == 75
    assert world.statuses == ["pending"]
    assert world.run("submit", "--yes") == 0
    assert (world.statuses, world.sent) == (["scored"], 1)
    agree(world)


@pytest.mark.parametrize(
    ("name", "faults", "sent"),
    [("CreateSubmission", [refuse(429, "slow down")], 1), ("PUT", [refuse(500)] * 3, 0)],
    ids=["busy", "never uploaded"],
)
def test_what_kaggle_never_took_may_be_tried_again(world: World, name: str, faults: list[Fault], sent: int) -> None:
    world.server.script(name, *faults)
    assert world.run("submit", "--yes") == 75
    assert "Nothing was sent" in world.err
    assert world.sent == sent
    assert world.run("submit", "--yes") == 0
    assert world.statuses == ["refused", "scored"]
    agree(world)


def test_a_kernels_lost_answer_is_found_too(world: World) -> None:
    world.server.state.kernels["tester/infer"] = [Run({}, ["COMPLETE"], {"submission.csv": b"id,y\n"})]
    world.server.script("CreateCodeSubmission", lose())
    assert [world.run(*KERNEL) for _ in range(2)] == [0, 2]
    assert (world.statuses, world.sent) == (["scored"], 1)
    agree(world)


def test_a_refresh_finds_a_lost_one_and_never_takes_a_score_back(world: World) -> None:
    world.server.state.hide = LOOKS_AFTER_LOST_REPLY + 1
    world.server.script("CreateSubmission", lose())
    assert world.run("submit", "--yes") == 75
    world.server.state.submissions[0].hidden = 0
    for expected in ("sent", "scored"):
        assert world.run("ledger", "--refresh") == 0
        assert world.statuses == [expected]
    world.server.script("ListSubmissions", answer({"submissions": [{"ref": 1002}]}))  # on the way again: a rescore
    assert world.run("ledger", "--refresh") == 0
    assert [(row.status, row.public) for row in world.rows] == [("scored", 0.91234)]


def test_another_machine_or_a_lost_ledger_does_not_send_twice(world: World) -> None:
    assert world.run("submit", "--yes") == 0
    (first,) = world.rows
    shutil.rmtree(world.root / LEDGER)
    (world.root / LEDGER_CSV).unlink()
    assert world.run("submit", "--yes") == 2
    assert "sent already" in world.err
    (found,) = world.rows
    assert found.date.endswith("+00:00")
    assert (found.tag, found.ref, found.public, world.sent) == (first.tag, first.ref, first.public, 1)
    assert first.tag in (world.root / LEDGER_CSV).read_text()
    agree(world)


def killed(world: World, event: int, *arguments: str) -> bool:
    """Run a verb in a child that is killed before its `event`-th write or request; False if it ended before."""
    child = os.fork()
    if child == 0:
        _die_at(event)
        sys.argv = world.arguments(*arguments)
        try:
            command.main()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _die_at(event: int) -> None:
    steps = itertools.count(1)

    def around(work: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **more: Any) -> Any:
            if next(steps) == event:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*args, **more)

        return stepped

    # The child ends by os._exit: nothing is put back.
    atomic.write_bytes = around(atomic.write_bytes)
    HttpClient.post = around(HttpClient.post)  # type: ignore[method-assign]
    transfer.put = around(transfer.put)


def test_killed_at_every_step_and_started_again(world: World) -> None:
    lost = found = 0
    submissions = world.server.state.submissions
    for event in itertools.count(1):
        shutil.rmtree(world.root)
        submissions.clear()
        world.publish(event)
        if not killed(world, event, "submit", "--yes"):
            break
        made, recorded = len(submissions), bool(world.rows)
        code = world.run("submit", "--yes")
        if recorded and not made:  # nobody can know that it was not sent: it takes an order
            lost += 1
            assert (code, world.statuses, len(submissions)) == (2, ["lost"], 0)
            assert world.run("submit", "--yes", "--again") == 0
        else:
            found += made
            assert code == 0 or "sent already" in world.err
        assert world.statuses[-1] == "scored"
        assert len(submissions) == 1
        agree(world)
    assert event > 10
    assert min(lost, found) >= 3


@pytest.mark.slow
def test_killed_again_and_again_with_lost_answers(world: World) -> None:
    """40 submissions, each killed at random steps of every run until one run ends by itself; answers get lost too."""
    world.server.state.competitions["toy"].per_day = 1000
    rng = np.random.default_rng(0)
    for seed in range(40):
        name = world.publish(seed + 1).name
        world.server.state.outcomes.append(Outcome(after=int(rng.integers(0, 4))))
        world.server.state.hide = int(rng.integers(0, 4))
        for _ in range(int(rng.integers(0, 2))):
            world.server.script("CreateSubmission", lose() if rng.random() < 0.5 else cut())
        while killed(world, int(rng.integers(1, 20)), "submit", name, "--yes", "--wait", "1h"):
            pass
        world.run("submit", name, "--yes")
        for one in world.server.state.submissions:
            one.hidden = 0
        world.run("submit", name, "--yes")
        agree(world)
