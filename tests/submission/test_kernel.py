"""A push, and the output that it brings back."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.core.layout import PUSH_STATE, verb_of
from ffdi.submission.errors import Refused
from ffdi.submission.kernel import Kernel
from ffdi.submission.output import await_output, log_lines
from tests.fixtures.kaggle.fixture import FakeClock
from tests.fixtures.kaggle.server import Server, answer, cut, lose, refuse
from tests.fixtures.pushing import CSV, SCRIPT, Follower, results

NAME = "tester/toy-infer"
DENIED = refuse(403, "Permission 'kernels.get' was denied")


def changed(kernel: Kernel) -> Kernel:
    return replace(kernel, text=SCRIPT + "# changed\n")


def test_once_there_and_back(kaggle_server: Server, session: Follower, kernel: Kernel, clock: FakeClock) -> None:
    (session.folder / "fetched").mkdir(parents=True)
    (session.folder / "fetched" / "half.bin").write_bytes(b"what a command that was killed has left")
    pushed, output = session.follow(kernel)
    assert pushed.version == 1
    assert verb_of(session.folder / PUSH_STATE) == "`ffdi kernels push`"
    assert sorted(path.name for path in output.iterdir()) == ["run.json", "submission.csv", "toy-infer.log"]
    assert (output / "submission.csv").read_text() == CSV
    [sent] = kaggle_server.bodies("SaveKernel")
    assert sent["text"] == SCRIPT.replace('"run": ""', f'"run": "{pushed.run}"')
    assert clock.slept == [30.0, 45.0]  # queued, running, complete

    assert session.follow(kernel)[1] == output  # the same again is known
    assert (kaggle_server.count("SaveKernel"), kaggle_server.count("GetKernelSessionStatus")) == (1, 3)
    again, newer = session.follow(changed(kernel))
    assert (again.version, newer.name, kaggle_server.count("SaveKernel")) == (2, "output-v2", 2)
    assert again.run != pushed.run


def test_again_is_one_more_version(kaggle_server: Server, session: Follower, kernel: Kernel) -> None:
    first, output = session.follow(kernel)
    second = session.push(kernel, again=True)
    assert (second.version, session.push(kernel).version) == (2, 2)
    assert session.push(kernel, again=True) == second  # its output is not here yet: the same command goes on
    assert second.run != first.run
    assert await_output(session, kernel, second).name == "output-v2"
    assert output.is_dir()


@pytest.mark.parametrize("other", [False, True], ids=["again", "another kernel"])
def test_what_was_pushed_is_known_after_a_refusal_of_more(
    kaggle_server: Server, session: Follower, kernel: Kernel, other: bool
) -> None:
    session.follow(kernel)
    before = (session.folder / PUSH_STATE).read_bytes()
    kaggle_server.script("SaveKernel", answer({"error": "Maximum batch GPU session count of 2 reached."}))
    with pytest.raises(Refused, match="wait for a running GPU kernel"):
        session.push(changed(kernel) if other else kernel, again=not other)
    assert (session.folder / PUSH_STATE).read_bytes() == before


def test_a_push_that_arrived_late_is_found_by_the_next_command(
    kaggle_server: Server, session: Follower, kernel: Kernel
) -> None:
    kaggle_server.script("SaveKernel", lose())
    kaggle_server.script("GetKernel", *[DENIED] * 5)  # before the push, and in all four looks
    with pytest.raises(Paused):
        session.push(kernel)
    assert session.follow(kernel)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 1


def test_a_version_that_was_there_before_is_not_ours(kaggle_server: Server, session: Follower, kernel: Kernel) -> None:
    """Kaggle denies the kernel for a moment, and then the push is lost: an old version passes for ours, for a while."""
    session.follow(changed(kernel))
    kaggle_server.script("GetKernel", DENIED)
    kaggle_server.script("SaveKernel", cut())
    pushed = session.push(kernel)
    assert pushed.version == 1
    with pytest.raises(UserError, match="not of ours"):
        await_output(session, kernel, pushed)
    assert session.follow(kernel)[0].version == 2


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ({"error": "Maximum batch GPU session count of 2 reached."}, "session count of 2 reached"),
        ({"versionNumber": 1, "invalidDatasetSources": ["a/b"]}, "no such datasets: a/b"),
        ({"versionNumber": 1, "invalidCompetitionSources": ["toy"]}, "competitions/toy/rules in a browser"),
        ({"versionNumber": 1, "invalidKernelSources": ["a/b"]}, "kernels: a/b; version 1 was made all the same"),
        ({"code": 403}, "HTTP 403; check owner and name"),
        ({}, "names no version"),
    ],
    ids=["sessions", "datasets", "competitions", "kernels", "code", "empty"],
)
def test_refusals_that_look_like_success(
    kaggle_server: Server, session: Follower, kernel: Kernel, reply: dict[str, Any], says: str
) -> None:
    kaggle_server.script("SaveKernel", answer(reply))
    with pytest.raises(Refused, match=says):
        session.push(kernel)
    assert not (session.folder / PUSH_STATE).exists()
    assert kaggle_server.count("SaveKernel") == 1
    assert session.push(kernel).version == 1  # a person may try again


def test_a_state_nobody_knows_is_waited_through(
    kaggle_server: Server, session: Follower, kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.state.kernel_states = ["QUEUED", "WARMING_UP", "RUNNING", "COMPLETE"]
    kaggle_server.script("GetKernelSessionStatus", DENIED, *[refuse(503)] * 3)  # just made; all tries of a look
    assert session.follow(kernel)[1].name == "output-v1"
    assert "warming_up" in capsys.readouterr().out


def test_a_failed_run_shows_its_log_and_is_forgotten(
    kaggle_server: Server, session: Follower, kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    state = kaggle_server.state
    state.kernel_states, state.kernel_failure = ["RUNNING", "ERROR"], "Exited with code 1"
    state.log = json.dumps([{"data": f"line {n}\n"} for n in range(99)] + [{"data": "\x1b[2JValueError: no GPU\n"}])
    state.run = lambda request: {"half.txt": b"done in part"}
    with pytest.raises(UserError, match=r"ended as error \(Exited with code 1\); what it left is in .*fetched"):
        session.follow(kernel)
    shown = capsys.readouterr().out
    assert " [2JValueError: no GPU" in shown
    assert "\x1b" not in shown
    assert ("line 98" in shown, "line 3\n" in shown) == (True, False)
    assert "line 3\\n" in (session.folder / "fetched" / "toy-infer.log").read_text()
    assert (session.folder / "fetched" / "half.txt").read_bytes() == b"done in part"
    state.kernel_states, state.run = ["COMPLETE"], results
    assert session.follow(kernel)[0].version == 2


def test_a_run_that_was_stopped_and_left_nothing(kaggle_server: Server, session: Follower, kernel: Kernel) -> None:
    kaggle_server.state.kernel_states = ["CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"]
    kaggle_server.script("ListKernelSessionOutput", refuse(404, "no output"))
    with pytest.raises(UserError, match="ended as cancel_acknowledged"):
        session.follow(kernel)


def test_the_output_of_another_run_is_waited_out_or_named(
    kaggle_server: Server, session: Follower, kernel: Kernel, clock: FakeClock
) -> None:
    kaggle_server.state.kernel_states = ["COMPLETE"]
    kaggle_server.state.run = lambda request: {
        **results(request),
        "run.json": checksum.json_bytes({"run": "of another"}),
    }

    def ours() -> None:
        run = kaggle_server.state.kernels[NAME][-1]
        run.output = results(run.request)

    clock.events = [lambda: None, ours]
    pushed, output = session.follow(kernel)
    assert json.loads((output / "run.json").read_text())["run"] == pushed.run
    assert [path.name for path in session.folder.iterdir() if path.name.startswith("fetched")] == []
    with pytest.raises(UserError, match=r"shows the output of run 'of another' .* not of ours"):
        session.follow(changed(kernel))
    assert kaggle_server.count("SaveKernel") == 2


@pytest.mark.parametrize(
    ("name", "data", "error", "says"),
    [
        ("run.json", None, UserError, r"has no valid run\.json, .* To push anew, delete /.*room/push\.json"),
        ("run.json", checksum.json_bytes({"run": "x"})[:-9] + b"damaged}", UserError, "has no valid run.json"),
        ("submission.csv", None, CorruptError, "is not what the kernel wrote"),
        ("submission.csv", CSV[:-4].encode(), CorruptError, "is not what the kernel wrote"),
    ],
)
def test_outputs_that_are_not_taken(
    kaggle_server: Server,
    session: Follower,
    kernel: Kernel,
    name: str,
    data: bytes | None,
    error: type[UserError],
    says: str,
) -> None:
    def left(request: dict[str, Any]) -> dict[str, bytes]:
        found = results(request)
        found.pop(name)
        return found if data is None else found | {name: data}

    kaggle_server.state.run = left
    with pytest.raises(error, match=says):
        session.follow(kernel)
    assert not (session.folder / "output-v1").exists()


def test_the_time_is_up_and_the_same_command_goes_on(
    kaggle_server: Server, session: Follower, kernel: Kernel, clock: FakeClock
) -> None:
    kaggle_server.state.kernel_states = ["RUNNING"]
    with pytest.raises(Paused, match="is still running, and the time to wait is up"):
        session.follow(kernel)
    assert 3000 < sum(clock.slept) <= 3600
    kaggle_server.state.kernels[NAME][0].states = ["COMPLETE"]
    later = replace(session, until=clock.now + 3600)
    assert later.follow(kernel)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 1


def test_logs_are_read_in_both_forms() -> None:
    assert log_lines('[{"data": "a\\n"}, {"data": "b"}]') == log_lines("a\n\nb\n") == ["a", "b"]
    for text in ("3", "[1]", '{"a": 1}'):
        assert log_lines(text) == [text]
