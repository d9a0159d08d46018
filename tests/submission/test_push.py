"""`ffdi kernels push`, with the real client against the imitation of Kaggle."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ffdi.cli import push as verb
from ffdi.cli.push import PushOptions, prepare, run
from ffdi.config.load import load_competition
from ffdi.core.errors import LockedError, UserError
from ffdi.core.lock import exclusive
from ffdi.submission.errors import Refused
from tests.fixtures.kaggle.fixture import FakeClock
from tests.fixtures.kaggle.server import CANARY, Server
from tests.fixtures.pushing import SCRIPT, make_pack, results, toy_team


@pytest.fixture
def options(tmp_path: Path, kaggle_server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> PushOptions:
    monkeypatch.setattr(verb, "CLOCK", clock.clock())
    kaggle_server.state.run = results
    monkeypatch.setattr(verb.team, "read", lambda folder: toy_team())
    script = tmp_path / "infer.py"
    script.write_text(SCRIPT)
    pack = make_pack(tmp_path / "toy-weights")
    return PushOptions(script, pack, wait="2h", yes=True, work=tmp_path / "work")


def test_without_yes_it_is_only_shown(
    kaggle_server: Server, options: PushOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    run(replace(options, yes=False))
    shown = capsys.readouterr().out
    for part in ("tester/toy-weights: 4 files", "tester/toy-infer: ", "two T4"):
        assert part in shown
    assert "nothing was uploaded; with --yes it is" in shown
    assert kaggle_server.seen == []
    assert not options.work.exists()


def test_there_and_back_and_once_more(
    kaggle_server: Server, options: PushOptions, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kaggle_server.state.run = lambda request: results(request, doubt="too few\x1b rows")
    run(options)
    first = capsys.readouterr()
    line = "submit it: ffdi submit --kernel tester/toy-infer --version 1 --competition toy"
    assert first.out.splitlines()[-1] == line
    assert "tester/toy-weights version 1: uploaded and verified" in first.out
    assert "and yet: too few rows" in first.err
    [sent] = kaggle_server.bodies("SaveKernel")
    assert (sent["slug"], sent["datasetDataSources"]) == ("tester/toy-infer", ["tester/toy-weights"])
    run(options)
    second = capsys.readouterr().out
    assert "unchanged, nothing was uploaded" in second
    assert "it was run before, with the same weights; --again" in second
    assert [kaggle_server.count(name) for name in ("CreateDataset", "CreateDatasetVersion", "SaveKernel")] == [1, 0, 1]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if CANARY.encode() in path.read_bytes()] == []


def test_sources(options: PushOptions) -> None:
    pack, kernel, _ = prepare(replace(options, datasets=["me/wheelhouse"], kernels=["me/toy-train/2"]), "some-one")
    assert (pack.id, kernel.about.id) == ("some-one/toy-weights", "some-one/toy-infer")
    assert kernel.about.dataset_sources == ["me/wheelhouse", pack.id]
    assert kernel.about.kernel_sources == ["me/toy-train/2"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"wait": "soon"}, "--wait 'soon' is no time"),
        ({"kernels": ["https://kaggle.com/code/me/toy-train"]}, 'toy-train.*: write "owner/slug"'),
        ({"kernel": Path("absent")}, "absent cannot be read"),
    ],
)
def test_mistakes_before_any_upload(
    kaggle_server: Server, options: PushOptions, values: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        run(replace(options, **values))  # type: ignore[arg-type]
    assert kaggle_server.seen == []


def test_places_that_cannot_be_used(kaggle_server: Server, options: PushOptions, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"Cannot work in .*kernels/toy-infer"):
        run(replace(options, work=tmp_path / "file"))
    with exclusive(options.work / "kernels" / "toy-infer"), pytest.raises(LockedError):
        run(options)
    assert kaggle_server.count("StartBlobUpload") == 0


def test_a_kernel_goes_on_from_an_output_without_a_submission(
    kaggle_server: Server, options: PushOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.state.run = lambda request: {"run.json": results(request, submission=None)["run.json"]}
    run(options)
    assert "attach it to the next kernel with --kernel-source tester/toy-infer" in capsys.readouterr().out
    run(replace(options, kernels=["tester/toy-infer/1"]))
    assert kaggle_server.bodies("SaveKernel")[1]["kernelDataSources"] == ["tester/toy-infer/1"]
    with pytest.raises(Refused, match="no such kernels: tester/toi-infer"):
        run(replace(options, kernels=["tester/toi-infer"]))


def test_the_submission_is_checked_for_the_competition_of_the_pack(
    kaggle_server: Server, options: PushOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SimpleNamespace(recipe=SimpleNamespace(name="toy"), competition=load_competition("multi-ffdi-phase2"))
    monkeypatch.setattr(verb.team, "read", lambda folder: other)
    kaggle_server.state.competitions["multi-ffdi-phase2"] = kaggle_server.state.competitions["toy"]
    with pytest.raises(UserError, match="the header is 'id,y', not 'img_name,y_pred'"):
        run(options)
