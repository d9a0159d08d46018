import json
from pathlib import Path
from typing import Any

import pytest

from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.submission.kernel import Kernel, Pad
from ffdi.submission.output import log_lines
from tests.kaggle_server.faults import refuse
from tests.kaggle_server.server import Server
from tests.submission.pushing import SCRIPT, Clock, follow, results, sealed

NAME = "tester/toy-infer"


def test_a_state_nobody_knows_is_waited_through(
    kaggle_server: Server, pad: Pad, wish: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.state.kernel_states = ["QUEUED", "WARMING_UP", "RUNNING", "COMPLETE"]
    late = refuse(403, "Permission 'kernels.get' was denied")  # a version that was just made
    kaggle_server.script("GetKernelSessionStatus", late, *[refuse(503)] * 3)  # all tries of the second look
    assert follow(pad, wish)[1].name == "output-v1"
    assert "unknown: WARMING_UP; taken as still running" in capsys.readouterr().err


def test_a_failed_run_shows_its_log_and_is_forgotten(
    kaggle_server: Server, pad: Pad, wish: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    state = kaggle_server.state
    state.kernel_states, state.kernel_failure = ["RUNNING", "ERROR"], "Exited with code 1"
    state.log = json.dumps([{"data": f"line {n}\n"} for n in range(99)] + [{"data": "\x1b[2JValueError: no GPU\n"}])
    state.run = lambda request: {"half.txt": b"done in part"}
    with pytest.raises(
        UserError, match=r"ended as error \(Exited with code 1\); what it left is in .*failed-v1, the whole log in"
    ):
        follow(pad, wish)
    shown = capsys.readouterr().out
    assert " [2JValueError: no GPU" in shown
    assert "\x1b" not in shown
    assert "line 98" in shown
    assert "line 3\n" not in shown
    assert "line 3\n" in (pad.room / "failed-v1" / "log.txt").read_text()
    assert (pad.room / "failed-v1" / "half.txt").read_bytes() == b"done in part"
    state.kernel_states, state.run = ["COMPLETE"], results
    assert follow(pad, wish)[0].version == 2


def test_a_run_that_was_stopped_and_left_nothing(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    kaggle_server.state.kernel_states = ["CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED"]
    kaggle_server.script("ListKernelSessionOutput", refuse(404, "no output"))
    with pytest.raises(UserError, match="ended as cancel_acknowledged"):
        follow(pad, wish)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a\\..\\evil", "run.json/evil"])
def test_hostile_names_leave_nothing(kaggle_server: Server, pad: Pad, wish: Kernel, name: str, tmp_path: Path) -> None:
    kaggle_server.state.run = lambda request: {**results(request), name: b"evil"}
    with pytest.raises(UserError, match="nothing of it was written"):
        follow(pad, wish)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"] == []
    with pytest.raises(UserError, match="nothing of it was written"):
        follow(pad, wish)
    assert kaggle_server.count("SaveKernel") == 1


def test_the_output_of_another_run_is_waited_out_or_named(
    kaggle_server: Server, pad: Pad, wish: Kernel, clock: Clock
) -> None:
    kaggle_server.state.kernel_states = ["COMPLETE"]
    kaggle_server.state.run = lambda request: {**results(request), "run.json": sealed({"run": "of another"})}

    def ours() -> None:
        run = kaggle_server.state.kernels[NAME][-1]
        run.output = results(run.request)

    clock.events = [lambda: None, ours]
    pushed, output = follow(pad, wish)
    assert json.loads((output / "run.json").read_text())["run"] == pushed.run
    assert [path.name for path in pad.room.iterdir() if path.name.startswith("fetched")] == []

    with pytest.raises(UserError, match=r"shows the output of run 'of another' .* not of ours"):
        follow(pad, Kernel(SCRIPT, wish.about, []))
    assert kaggle_server.count("SaveKernel") == 2


@pytest.mark.parametrize("fault", ["no run.json", "spoiled run.json", "cut csv", "no csv"])
def test_outputs_that_are_not_taken(kaggle_server: Server, pad: Pad, wish: Kernel, fault: str) -> None:
    def left(request: dict[str, Any]) -> dict[str, bytes]:
        files = results(request)
        if fault == "spoiled run.json":
            files["run.json"] = files["run.json"].replace(b"infer", b"inter")
        elif fault == "cut csv":
            files["submission.csv"] = files["submission.csv"][:-4]
        else:
            del files["run.json" if fault == "no run.json" else "submission.csv"]
        return files

    kaggle_server.state.run = left
    says = "has no sound run.json" if fault.endswith("json") else "is not what the kernel wrote"
    with pytest.raises(CorruptError if "csv" in fault else UserError, match=says):
        follow(pad, wish)
    assert not (pad.room / "output-v1").exists()


def test_an_error_page_is_no_submission(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    kaggle_server.script("GET", *[refuse(403, "expired", form="page")] * 9)
    with pytest.raises(UserError):
        follow(pad, wish)
    assert not (pad.room / "output-v1").exists()


def test_the_time_is_up_and_the_same_command_goes_on(
    kaggle_server: Server, pad: Pad, wish: Kernel, clock: Clock
) -> None:
    kaggle_server.state.kernel_states = ["RUNNING"]
    with pytest.raises(Paused, match="is still running, and the time to wait is up"):
        follow(pad, wish)
    assert 3000 < sum(clock.naps) <= 3600
    kaggle_server.state.kernels[NAME][0].states = ["COMPLETE"]
    assert follow(pad, wish)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 1


@pytest.mark.parametrize("text", ['[{"data": "a\\n"}, {"data": "b"}]', "a\nb\n", "a\n\nb"])
def test_logs_are_read_in_both_forms(text: str) -> None:
    assert log_lines(text) == ["a", "b"]


def test_logs_that_look_like_json() -> None:
    assert [log_lines(text) for text in ("3", "null", "[1]", '{"a": 1}')] == [["3"], ["null"], ["[1]"], ['{"a": 1}']]
