from pathlib import Path
from typing import Any

import pytest

from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.submission import kernel
from ffdi.submission.kernel import Kernel, Pad, push
from ffdi.submission.output import await_output
from ffdi.submission.refusals import Refused
from tests.kaggle_server.faults import answer, cut, lose, refuse
from tests.kaggle_server.server import Server
from tests.submission.pushing import CSV, SCRIPT, Clock, follow, sealed


def test_once_there_and_back(kaggle_server: Server, pad: Pad, wish: Kernel, clock: Clock) -> None:
    pushed, output = follow(pad, wish)
    assert pushed.version == 1
    assert sorted(path.name for path in output.iterdir()) == ["run.json", "submission.csv", "toy-infer.log"]
    assert (output / "submission.csv").read_text() == CSV
    [sent] = kaggle_server.bodies("SaveKernel")
    assert sent["text"] == SCRIPT.replace('"run": ""', f'"run": "{pushed.run}"')
    assert sent.get("enableInternet", False) is False
    assert (sent["isPrivate"], sent["machineShape"]) == (True, "NvidiaTeslaT4")
    assert (sent["sessionTimeoutSeconds"], sent["competitionDataSources"]) == (43_200, ["toy"])
    assert clock.naps == [30.0, 45.0]  # queued, running, complete

    assert follow(pad, wish)[1] == output  # the same again is known
    assert (kaggle_server.count("SaveKernel"), kaggle_server.count("GetKernelSessionStatus")) == (1, 3)

    other = Kernel(SCRIPT + "# changed\n", wish.about, wish.packs)
    again, newer = follow(pad, other)
    assert (again.version, newer.name, kaggle_server.count("SaveKernel")) == (2, "output-v2", 2)
    assert again.run != pushed.run


def test_again_is_one_more_version(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    first, output = follow(pad, wish)
    second = push(pad, wish, again=True)
    assert (second.version, push(pad, wish).version) == (2, 2)
    assert push(pad, wish, again=True) == second  # its output is not here yet: the same command goes on
    assert second.run != first.run
    assert await_output(pad, wish, second).name == "output-v2"
    assert output.is_dir()
    kaggle_server.script("SaveKernel", lose())
    assert push(pad, wish, again=True).version == 3
    assert kaggle_server.count("SaveKernel") == 3


@pytest.mark.parametrize("other", [False, True], ids=["again", "another wish"])
def test_what_was_pushed_is_known_after_a_refusal_of_more(
    kaggle_server: Server, pad: Pad, wish: Kernel, other: bool
) -> None:
    push(pad, wish) if other else follow(pad, wish)
    before = (pad.room / kernel.STATE).read_bytes()
    kaggle_server.script("SaveKernel", answer({"error": "Maximum batch GPU session count of 2 reached."}))
    with pytest.raises(Refused):
        push(pad, Kernel(SCRIPT, wish.about, []) if other else wish, again=not other)
    assert (pad.room / kernel.STATE).read_bytes() == before
    assert follow(pad, wish)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 2


def test_a_lost_reply_is_no_second_push(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    kaggle_server.script("SaveKernel", lose())
    assert follow(pad, wish)[0].version == 1
    kaggle_server.script("SaveKernel", lose(502))
    assert follow(pad, Kernel(SCRIPT, wish.about, ["1" * 64]))[0].version == 2
    assert kaggle_server.count("SaveKernel") == 2


def test_a_push_that_never_arrived_is_left_to_the_next_command(
    kaggle_server: Server, pad: Pad, wish: Kernel, clock: Clock
) -> None:
    kaggle_server.script("SaveKernel", cut())
    with pytest.raises(Paused, match="did not arrive; run the same command again to push"):
        push(pad, wish)
    assert clock.naps == [30.0, 45.0, 67.5]
    assert kaggle_server.count("SaveKernel") == 1
    assert follow(pad, wish)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 2


def test_a_push_that_arrived_late_is_found_by_the_next_command(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    kaggle_server.script("SaveKernel", lose())
    hidden = [refuse(403, "Permission 'kernels.get' was denied")] * 5
    kaggle_server.script("GetKernel", *hidden)  # not there before, and in none of the four looks
    with pytest.raises(Paused):
        push(pad, wish)
    assert follow(pad, wish)[0].version == 1
    assert kaggle_server.count("SaveKernel") == 1


def test_a_version_that_was_there_before_is_not_ours(kaggle_server: Server, pad: Pad, wish: Kernel) -> None:
    """Kaggle denies the kernel for a moment, and then the push is lost: an old version passes for ours, for a while."""
    follow(pad, Kernel(SCRIPT, wish.about, []))
    kaggle_server.script("GetKernel", refuse(403, "Permission 'kernels.get' was denied"))
    kaggle_server.script("SaveKernel", cut())
    pushed = push(pad, wish)
    assert pushed.version == 1
    with pytest.raises(UserError, match="not of ours"):
        await_output(pad, wish, pushed)
    assert follow(pad, wish)[0].version == 2


def test_our_text_is_enough_to_find_the_push(kaggle_server: Server, pad: Pad, wish: Kernel, tmp_path: Path) -> None:
    kaggle_server.script("SaveKernel", lose())
    run = Path(tmp_path / "room" / "pushed" / "toy-infer.py")
    kaggle_server.script("GetKernel", refuse(404, "none"))
    original = kaggle_server.api.call

    def without_number(name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"blob": {"source": run.read_text()}} if name == "GetKernel" else original(name, body)

    kaggle_server.api.call = without_number  # type: ignore[method-assign]
    assert follow(pad, wish)[0].version == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ({"error": "Maximum batch GPU session count of 2 reached."}, "wait for a running GPU kernel to end"),
        ({"versionNumber": 1, "invalidDatasetSources": ["tester/w"]}, "tester/w; version 1 was made all the same"),
        ({"versionNumber": 1, "invalidCompetitionSources": ["toi"]}, "no such competitions: toi"),
        ({"versionNumber": 1, "invalidKernelSources": ["a/b"]}, "no such kernels: a/b"),
        ({"versionNumber": 1, "invalidModelSources": ["a/b/c/d/1"]}, "no such models: a/b/c/d/1"),
        ({"versionNumber": 1, "invalidTags": ["faces"]}, "no such tags: faces"),
        ({}, "names no version"),
    ],
    ids=["sessions", "datasets", "competitions", "kernels", "models", "tags", "empty"],
)
def test_refusals_that_look_like_success(
    kaggle_server: Server, pad: Pad, wish: Kernel, reply: dict[str, Any], says: str
) -> None:
    kaggle_server.script("SaveKernel", answer(reply))
    with pytest.raises(Refused, match=says):
        push(pad, wish)
    assert not (pad.room / kernel.STATE).exists()
    assert kaggle_server.count("SaveKernel") == 1
    assert push(pad, wish).version == 1  # a person may try again


def test_scripts_without_a_place_for_the_run_id(pad: Pad, wish: Kernel) -> None:
    for script in ("print(1)\n", SCRIPT + SCRIPT):
        with pytest.raises(UserError, match='settings "run", not one'):
            push(pad, Kernel(script, wish.about, []))


def test_a_state_of_another_version_of_the_kit(tmp_path: Path, wish: Kernel) -> None:
    (tmp_path / kernel.STATE).write_bytes(sealed({"wishes": 3}))
    with pytest.raises(CorruptError, match="delete it"):
        kernel.begun(tmp_path, wish)
