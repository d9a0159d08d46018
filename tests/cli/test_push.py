from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from ffdi.cli import push as verb
from ffdi.cli import push_check
from ffdi.cli.push import Asked, prepare, run
from ffdi.config.load import load_competition
from ffdi.core import checksum
from ffdi.core.errors import LockedError, Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.lock import exclusive
from ffdi.data import manifest
from ffdi.submission import attached
from ffdi.submission.kaggle import Kaggle
from ffdi.submission.refusals import Refused
from tests.kaggle_server.faults import answer
from tests.kaggle_server.fixture import CANARY
from tests.kaggle_server.server import Server
from tests.submission.pushing import Clock, make_kernel, make_pack, results

COMPETITION = load_competition("multi-ffdi-phase2")
LINE = "ffdi submit --kernel tester/toy-infer --version 1 --competition toy"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(verb, "CLOCK", (lambda: clock.now, clock.sleep))
    return clock


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    folder = make_kernel(tmp_path / "toy-infer", dataset_sources=["OWNER/toy-weights"])
    pack = make_pack(tmp_path / "toy-weights")
    return Asked(folder, [pack], owner="", image="", wait="2h", yes=True, work=tmp_path / "work")


def changed(asked: Asked, **values: object) -> Asked:
    return Asked(**{**vars(asked), **values})


def test_without_yes_it_is_only_shown(
    kaggle_server: Server, asked: Asked, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    image = "sha256:" + "a" * 64
    run(changed(asked, yes=False, image=image))
    shown = capsys.readouterr().out
    for part in ("tester/toy-weights: 4 files", "tester/toy-infer: toy-infer.py", "NvidiaTeslaT4 (two of them)", image):
        assert part in shown
    assert "28.0 of 30.0 hours left, the week ends 2026-11-28 00:00 UTC" in shown
    assert "nothing was uploaded; with --yes it is" in shown
    assert {one.name for one in kaggle_server.seen} == {"GetAcceleratorQuotaStatistics"}
    assert not asked.work.exists()


def test_there_and_back_and_once_more(
    kaggle_server: Server, asked: Asked, clock: Clock, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kaggle_server.state.run = lambda request: results(request, doubt="too few\x1b rows")
    run(asked)
    first = capsys.readouterr()
    assert first.out.splitlines()[-1] == f"submit it: {LINE}"
    assert "tester/toy-weights version 1: uploaded and verified" in first.out
    assert "and yet: too few rows" in first.err
    [sent] = kaggle_server.bodies("SaveKernel")
    assert (sent["slug"], sent["datasetDataSources"]) == ("tester/toy-infer", ["tester/toy-weights"])
    run(asked)
    second = capsys.readouterr().out
    assert "unchanged, nothing was uploaded" in second
    assert "it was run before, with the same weights; --again" in second
    assert [kaggle_server.count(name) for name in ("CreateDataset", "CreateDatasetVersion", "SaveKernel")] == [1, 0, 1]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in left if CANARY.encode() in path.read_bytes()] == []


def test_sources_and_image(asked: Asked) -> None:
    made = prepare(changed(asked, image="sha256:" + "a" * 64), "some-one")
    about = made.kernel.about
    assert (about.id, about.dataset_sources) == ("some-one/toy-infer", ["some-one/toy-weights"])
    assert about.docker_image == "gcr.io/kaggle-gpu-images/python@sha256:" + "a" * 64
    assert [told.id for _, told in made.packs] == ["some-one/toy-weights"]
    wheels = make_pack(asked.folder.parent / "wheelhouse", {"tiny-1.0-py3-none-any.whl": b"a wheel"})
    sources = prepare(changed(asked, packs=[*asked.packs, wheels]), "some-one").kernel.about.dataset_sources
    assert sources == ["some-one/toy-weights", "some-one/wheelhouse"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"image": "latest"}, "docker_image"),
        ({"owner": "not an owner"}, "id: "),
        ({"wait": "soon"}, "--wait 'soon' is no time"),
        ({"kernels": ["https://kaggle.com/code/me/toy-train"]}, '--kernel-source: write "owner/slug" or "owner/slug/v'),
        ({"kernels": ["me/toy-train/0"]}, "the last parts of its address, not 'me/toy-train/0'"),
        ({"datasets": ["toy-weights"]}, '--dataset-source: write "owner/slug"'),
        ({"folder": Path("absent")}, "absent cannot be read"),
    ],
)
def test_mistakes_before_any_upload(
    kaggle_server: Server, asked: Asked, clock: Clock, values: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        run(changed(asked, **values))
    assert kaggle_server.seen == []


@pytest.mark.parametrize("kind", ["infer", "blend"])
def test_a_script_of_the_kit_can_be_pushed(
    asked: Asked, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = SimpleNamespace(name="toy")
    monkeypatch.setattr(verb.team, "read", lambda folder: SimpleNamespace(recipe=recipe, competition=COMPETITION))
    make_pack(asked.packs[0], {"team.json": b"verified elsewhere", "a-fold0.safetensors": b"weights"})
    script = Path(__file__).parents[2] / "kernels" / f"{kind}.py"
    made = prepare(changed(asked, folder=script), "some-one").kernel
    assert (made.about.id, made.about.enable_gpu) == (f"some-one/toy-{kind}", kind == "infer")
    assert made.about.dataset_sources == ["some-one/toy-weights"]
    assert made.about.kernel_sources == (["some-one/toy-train"] if kind == "blend" else [])
    pushed = made.write(tmp_path / "pushed", "an-id") / made.about.code_file
    assert pushed.read_text() == script.read_text().replace('    "run": "",\n', '    "run": "an-id",\n', 1)


def test_two_packs_of_one_name(asked: Asked, tmp_path: Path) -> None:
    other = make_pack(tmp_path / "elsewhere" / "toy-weights")
    with pytest.raises(UserError, match="would be one dataset"):
        prepare(changed(asked, packs=[*asked.packs, other]), "some-one")


def test_a_place_that_cannot_be_written(kaggle_server: Server, asked: Asked, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"Cannot make .*kernels/toy-infer"):
        run(changed(asked, work=tmp_path / "file"))
    assert kaggle_server.count("StartBlobUpload") == 0


def test_a_spent_quota(kaggle_server: Server, asked: Asked, clock: Clock) -> None:
    spent = {"gpuQuota": {"timeUsed": "108000s", "totalTimeAllowed": "108000s"}}
    kaggle_server.script("GetAcceleratorQuotaStatistics", answer(spent))
    with pytest.raises(UserError, match=r"No GPU time is left \(0\.0 of 30\.0 hours left\)"):
        run(asked)
    assert kaggle_server.count("StartBlobUpload") == 0
    kaggle_server.state.run = results
    run(asked)
    kaggle_server.script("GetAcceleratorQuotaStatistics", answer(spent))
    run(asked)  # what was pushed is followed all the same
    assert kaggle_server.count("SaveKernel") == 1


def test_an_interrupt_is_a_pause(
    kaggle_server: Server, asked: Asked, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    kaggle_server.state.run = results
    with monkeypatch.context() as patch:
        patch.setattr(Kaggle, "kernel_status", interrupt)
        with pytest.raises(Paused, match="run the same command to go on"):
            run(asked)
    run(asked)
    assert (kaggle_server.count("SaveKernel"), kaggle_server.count("CreateDataset")) == (1, 1)


def test_one_push_of_a_kernel_at_a_time(kaggle_server: Server, asked: Asked, clock: Clock) -> None:
    with exclusive(asked.work / "kernels" / "toy-infer"), pytest.raises(LockedError):
        run(asked)
    assert kaggle_server.count("SaveKernel") == 0


def test_an_output_without_a_submission(
    kaggle_server: Server, asked: Asked, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle_server.state.run = lambda request: {"run.json": results(request, submission=None)["run.json"]}
    run(asked)
    assert "goes on from it is pushed with --kernel-source tester/toy-infer, --again too" in capsys.readouterr().out


def test_a_kernel_goes_on_from_its_own_output(
    kaggle_server: Server, asked: Asked, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def sources() -> list[list[str]]:
        return [body.get("kernelDataSources", []) for body in kaggle_server.bodies("SaveKernel")]

    kaggle_server.state.run = results
    run(asked)
    first = changed(asked, kernels=["OWNER/toy-infer/1"])
    run(changed(first, yes=False))
    shown = capsys.readouterr().out
    assert "attached" in shown
    assert shown.count("tester/toy-infer/1") == 2  # among all that it reads, and as attached
    assert sources() == [[]]
    for again in (first, first, asked):  # pushed once; and kept, unnamed, by the last
        run(again)
    assert sources() == [[], ["tester/toy-infer/1"]]
    assert "attached as by an earlier push: tester/toy-infer/1; delete" in capsys.readouterr().out

    second = changed(asked, kernels=["tester/toy-infer/2"], datasets=["tester/toy-weights"])
    run(second)
    assert sources()[2:] == [["tester/toy-infer/2"]]  # the newer in the place of the older
    run(changed(asked, again=True))
    assert sources()[3:] == [["tester/toy-infer/2"]]
    (asked.work / "kernels" / "toy-infer" / attached.FILE).unlink()
    run(asked)
    assert sources()[4:] == [[]]


def test_the_version_that_a_person_has_written_since_counts_more_than_that_of_an_earlier_push(
    kaggle_server: Server, asked: Asked, clock: Clock
) -> None:
    kaggle_server.state.run = results
    run(asked)
    run(changed(asked, kernels=["tester/toy-infer/1"]))
    make_kernel(asked.folder, dataset_sources=["OWNER/toy-weights"], kernel_sources=["tester/toy-infer/2"])
    run(asked)
    assert kaggle_server.bodies("SaveKernel")[-1]["kernelDataSources"] == ["tester/toy-infer/2"]


def test_a_source_that_kaggle_does_not_know_is_not_kept(kaggle_server: Server, asked: Asked, clock: Clock) -> None:
    with pytest.raises(Refused, match="no such kernels: tester/toi-infer"):
        run(changed(asked, kernels=["tester/toi-infer"]))
    assert prepare(asked, "tester").attached.names == ()


def test_the_submission_is_checked_by_the_team_of_the_pack(
    kaggle_server: Server, asked: Asked, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pack(asked.packs[0], {"team.json": b"verified elsewhere", "a-fold0.safetensors": b"weights"})
    monkeypatch.setattr(verb.team, "read", lambda folder: SimpleNamespace(competition=COMPETITION))
    kaggle_server.state.run = results
    with pytest.raises(UserError, match="the header is 'id,y', not 'img_name,y_pred'"):
        run(asked)


def _scanned(work: Path, ids: list[str]) -> None:
    """A manifest of test images, and one that is of no use."""
    rows = pd.DataFrame({name: [""] * len(ids) for name in manifest.COLUMNS}).assign(id=ids, split="test")
    checksum.write_table(Workspace(work / COMPETITION.name / "data", work).manifest, rows)
    (work / COMPETITION.name / "broken").mkdir()
    (work / COMPETITION.name / "broken" / "manifest.parquet").write_bytes(b"not a manifest")


def test_a_submission_is_checked_by_the_ids_that_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [f"{n:032x}.jpg" for n in range(8)]
    path = tmp_path / "submission.csv"

    def check(rows: dict[str, float]) -> str:
        path.write_text("img_name,y_pred\n" + "".join(f"{name},{score}\n" for name, score in rows.items()))
        push_check.check(path, COMPETITION, tmp_path / "work")
        return capsys.readouterr().out

    scores = {name: n / 10 for n, name in enumerate(ids)}
    assert "8 rows, checked against its form alone" in check(scores)
    _scanned(tmp_path / "work", ids)
    assert "8 rows, checked against the ids of the manifest" in check(scores)
    with pytest.raises(UserError, match="1 of 8 ids are missing"):
        check({name: scores[name] for name in ids[:-1]})
    assert "its form alone" in check({f"other{n}.jpg": n / 10 for n in range(8)})
    with pytest.raises(UserError, match="every prediction is"):
        check(dict.fromkeys(["a.jpg", "b.jpg"], 0.5))
    path.write_bytes(b"<html>403 \xff</html>")
    with pytest.raises(UserError, match="is not UTF-8"):
        push_check.check(path, COMPETITION, tmp_path / "work")
