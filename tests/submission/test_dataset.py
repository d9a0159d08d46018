import os
from pathlib import Path

import pytest

from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.submission import metadata
from ffdi.submission.dataset import Published, publish
from ffdi.submission.kaggle import sign_in
from ffdi.submission.metadata import MAX_FILES, DatasetMetadata, License
from ffdi.submission.refusals import Refused
from ffdi.submission.staging import read_pack, stage
from tests.kaggle_server.faults import answer, cut, lose, refuse
from tests.kaggle_server.server import Server
from tests.submission.pushing import Clock, make_pack

NAME = "tester/toy-weights"
ABOUT = DatasetMetadata(id=NAME, title="toy weights", licenses=[License(name="other")])
WRITES = ("CreateDataset", "CreateDatasetVersion")


def bring(folder: Path, clock: Clock, seconds: float = 3600.0) -> Published:
    return publish(sign_in(), read_pack(folder), ABOUT, folder.parent / "room", clock.watch(seconds))


def writes(server: Server) -> list[int]:
    return [server.count(name) for name in WRITES]


def test_first_second_and_unchanged(kaggle_server: Server, tmp_path: Path) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    assert bring(folder, clock) == Published(1, uploads=1)
    [first] = kaggle_server.state.datasets[NAME].versions
    pack = read_pack(folder)
    assert first == {
        **{path.name: path.read_bytes() for path in folder.iterdir()},
        pack.marker: f"{pack.digest}\n".encode(),
    }
    assert kaggle_server.bodies("CreateDataset")[0]["isPrivate"] is True

    assert bring(folder, clock) == Published(1, uploads=0)
    assert kaggle_server.count("StartBlobUpload") == len(first)

    changed = (folder / "plan.txt").read_bytes().upper()  # of the same name and size
    make_pack(folder, {"a-fold0.safetensors": (folder / "a-fold0.safetensors").read_bytes(), "plan.txt": changed})
    assert bring(folder, clock) == Published(2, uploads=1)
    second = kaggle_server.state.datasets[NAME].versions[1]
    assert second["plan.txt"] == changed
    assert second.keys() == first.keys() - {pack.marker} | {read_pack(folder).marker}
    assert writes(kaggle_server) == [1, 1]


def test_a_version_that_lost_a_file_is_healed(kaggle_server: Server, tmp_path: Path) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    kaggle_server.state.drop = {"a-fold0.safetensors"}
    kaggle_server.state.ready_after = 0
    clock.events = [kaggle_server.state.drop.clear]  # between the two looks at the list
    assert bring(folder, clock) == Published(2, uploads=2)
    assert [len(one) for one in kaggle_server.state.datasets[NAME].versions] == [3, 4]


def test_a_file_lost_twice_is_reported(
    kaggle_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_pack(tmp_path / "toy-weights")
    kaggle_server.state.drop = {"plan.txt"}
    with pytest.raises(UserError, match=r"lost a file of tester/toy-weights twice \(plan\.txt is missing\)"):
        bring(folder, Clock())
    assert writes(kaggle_server) == [1, 1]
    assert "version 1 of tester/toy-weights is not what was sent: plan.txt is missing." in capsys.readouterr().err


def test_it_is_waited_for_until_it_is_ready(kaggle_server: Server, tmp_path: Path) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    kaggle_server.state.ready_after = 4
    unreachable = [refuse(503)] * 3  # all tries of one look
    kaggle_server.script("GetDatasetStatus", refuse(404, "none"), refuse(404, "none"), answer({}), *unreachable)
    kaggle_server.script("ListDatasetFiles", refuse(404, "not yet"))
    assert bring(folder, clock).version == 1
    assert clock.naps[:3] == [30.0, 45.0, 67.5]
    assert not (tmp_path / "room").exists()
    assert max(clock.naps) <= 300


def test_the_time_is_up_and_the_same_call_goes_on(kaggle_server: Server, tmp_path: Path) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    kaggle_server.state.ready_after = 10**6
    with pytest.raises(Paused, match="still processing the upload to tester/toy-weights"):
        bring(folder, clock)
    kaggle_server.state.ready_after = 0
    assert bring(folder, clock) == Published(1, uploads=0)
    assert writes(kaggle_server) == [1, 0]


@pytest.mark.parametrize("state", ["FAILED", "DELETED"])
def test_what_kaggle_cannot_process(kaggle_server: Server, tmp_path: Path, state: str) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    if state == "FAILED":
        kaggle_server.script("GetDatasetStatus", *[refuse(404, "none")] * 2, answer({"status": "FAILED"}))
    else:
        kaggle_server.script("GetDatasetStatus", answer({"status": "DELETED"}))
    says = "could not process the upload" if state == "FAILED" else "was deleted"
    with pytest.raises(UserError, match=says):
        bring(folder, clock)
    # A failed version does not stand in the way of the next.
    if state == "FAILED":
        kaggle_server.state.datasets[NAME].state = "FAILED"
        clock.events = [lambda: setattr(kaggle_server.state.datasets[NAME], "state", "READY")]
        kaggle_server.script("GetDatasetStatus", answer({"status": "FAILED"}), answer({"status": "BLOBS_RECEIVED"}))
        assert bring(folder, clock).version == 2


@pytest.mark.parametrize("there", [False, True], ids=["create", "version"])
def test_a_lost_reply_is_no_second_upload(kaggle_server: Server, tmp_path: Path, there: bool) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    if there:
        bring(folder, clock)
        make_pack(folder, {"other.safetensors": b"other"})
    kaggle_server.script(WRITES[there], lose())
    assert bring(folder, clock) == Published(1 + there, uploads=1)
    assert writes(kaggle_server) == [1, int(there)]


def test_an_upload_that_never_arrived_is_left_to_the_next_command(kaggle_server: Server, tmp_path: Path) -> None:
    folder, clock = make_pack(tmp_path / "toy-weights"), Clock()
    bring(folder, clock)
    make_pack(folder, {"other.safetensors": b"other", "plan.txt": b"p", "a-fold0.safetensors": b"a"})
    kaggle_server.script("CreateDatasetVersion", cut())
    with pytest.raises(Paused, match="did not arrive; run the same command again"):
        bring(folder, clock)
    assert writes(kaggle_server) == [1, 1]
    assert bring(folder, clock) == Published(2, uploads=1)
    assert len(kaggle_server.state.datasets[NAME].versions) == 2


def test_what_kaggle_refuses_is_passed_on(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle_server.script("CreateDataset", answer({"status": "error", "error": "storage limit reached"}))
    with pytest.raises(Refused, match="storage limit reached"):
        bring(make_pack(tmp_path / "toy-weights"), Clock())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (".DS_Store", b"x", "is hidden"),
        ("folder", None, "is no file"),
        ("code.tar.gz", b"x", "is an archive"),
        ("empty.bin", b"", "is empty"),
        ("dataset-cover-image.png", b"x", "keeps for itself"),
        ("unlisted.bin", b"x", "disagree about 'unlisted.bin'"),
        ("plan.txt", b"THE PLAN", "is not the file that SHA256SUMS names"),
        ("SHA256SUMS", b"not a list of sums\n", "is not a list"),
    ],
)
def test_packs_that_are_refused_before_any_request(tmp_path: Path, name: str, data: bytes | None, says: str) -> None:
    folder = make_pack(tmp_path / "toy-weights")
    if data is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_pack(folder)


def test_packs_that_are_incomplete_or_too_many(tmp_path: Path) -> None:
    folder = make_pack(tmp_path / "toy-weights")
    (folder / "plan.txt").unlink()
    with pytest.raises(CorruptError, match=r"disagree about 'plan\.txt'"):
        read_pack(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="SHA256SUMS is missing"):
        read_pack(folder)
    with pytest.raises(UserError, match="There is no folder"):
        read_pack(tmp_path / "absent")
    with pytest.raises(UserError, match="with ours Kaggle takes 50"):
        read_pack(make_pack(tmp_path / "many", {f"{n}.bin": b"x" for n in range(MAX_FILES - 1)}))


def test_packs_that_are_too_large_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="has 0 files; a dataset takes 1 to 50"):
        read_pack(tmp_path / "nothing")
    monkeypatch.setattr(metadata, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="a dataset takes 0 GB"):
        read_pack(make_pack(tmp_path / "toy-weights"))


def test_staging_on_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_link(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse_link)
    pack = read_pack(make_pack(tmp_path / "toy-weights"))
    room = stage(pack, ABOUT, tmp_path / "room")
    assert (room / "plan.txt").read_bytes() == b"the plan"
    (pack.folder / "plan.txt").unlink()
    with pytest.raises(UserError, match=r"Cannot copy .*plan\.txt"):
        stage(pack, ABOUT, tmp_path / "room")


def test_staging_leaves_the_pack_alone(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path / "toy-weights"))
    before = sorted(path.name for path in pack.folder.iterdir())
    for _ in range(2):
        room = stage(pack, ABOUT, tmp_path / "room")
    assert sorted(path.name for path in room.iterdir()) == sorted([*before, pack.marker, "dataset-metadata.json"])
    assert sorted(path.name for path in pack.folder.iterdir()) == before
