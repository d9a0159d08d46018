from pathlib import Path

import pytest

from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.submission.dataset import publish, read_folder
from tests.fixtures.kaggle.fixture import FakeClock
from tests.fixtures.kaggle.server import Fault, Server, answer, cut, lose, refuse
from tests.fixtures.pushing import Follower, make_pack

NAME = "tester/toy-weights"
WRITES = ("CreateDataset", "CreateDatasetVersion")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_pack(tmp_path / "toy-weights")


def bring(session: Follower, folder: Path) -> tuple[int, bool]:
    return publish(session, read_folder(folder, "tester"))


def writes(server: Server) -> list[int]:
    return [server.count(name) for name in WRITES]


def test_first_second_and_unchanged(kaggle_server: Server, session: Follower, folder: Path) -> None:
    assert bring(session, folder) == (1, True)
    [first] = kaggle_server.state.datasets[NAME].versions
    pack = read_folder(folder, "tester")
    assert first == {
        **{path.name: path.read_bytes() for path in folder.iterdir()},
        pack.marker: f"{pack.digest}\n".encode(),
    }
    assert kaggle_server.bodies("CreateDataset")[0]["isPrivate"] is True

    assert bring(session, folder) == (1, False)
    assert kaggle_server.count("StartBlobUpload") == len(first)

    changed = (folder / "kit.whl").read_bytes().upper()  # of the same name and size
    make_pack(folder, {"a-fold0.safetensors": (folder / "a-fold0.safetensors").read_bytes(), "kit.whl": changed})
    assert bring(session, folder) == (2, True)
    second = kaggle_server.state.datasets[NAME].versions[1]
    assert second["kit.whl"] == changed
    assert second.keys() == first.keys() - {pack.marker} | {read_folder(folder, "tester").marker}
    assert writes(kaggle_server) == [1, 1]


def test_a_wheel_in_a_folder_loses_the_folder(kaggle_server: Server, session: Follower, folder: Path) -> None:
    make_pack(folder, {"wheels/tiny-1.0.whl": b"a wheel", "kit.whl": b"the kit"})
    assert [bring(session, folder) for _ in range(2)] == [(1, True), (1, False)]
    [version] = kaggle_server.state.datasets[NAME].versions
    assert version["tiny-1.0.whl"] == b"a wheel"


def test_a_version_that_lost_a_file_is_told_and_made_again_by_the_next_call(
    kaggle_server: Server, session: Follower, folder: Path
) -> None:
    kaggle_server.state.drop = {"team.json"}
    with pytest.raises(UserError, match=r"Version 1 of tester/toy-weights is not what was sent: team\.json is missing"):
        bring(session, folder)
    kaggle_server.state.drop = set()
    assert bring(session, folder) == (2, True)
    assert [len(one) for one in kaggle_server.state.datasets[NAME].versions] == [3, 4]


def test_it_is_waited_for_until_it_is_ready(
    kaggle_server: Server, session: Follower, folder: Path, clock: FakeClock
) -> None:
    kaggle_server.state.ready_after = 4
    unreachable = [refuse(503)] * 3  # all tries of one look
    kaggle_server.script("GetDatasetStatus", refuse(404, "none"), refuse(404, "none"), answer({}), *unreachable)
    kaggle_server.script("ListDatasetFiles", refuse(404, "not yet"))
    assert bring(session, folder) == (1, True)
    assert clock.slept[:3] == [30.0, 45.0, 67.5]
    assert max(clock.slept) <= 300


def test_the_time_is_up_and_the_same_call_goes_on(kaggle_server: Server, session: Follower, folder: Path) -> None:
    kaggle_server.state.ready_after = 10**6
    with pytest.raises(Paused, match="still processing the upload to tester/toy-weights"):
        bring(session, folder)
    kaggle_server.state.ready_after = 0
    assert bring(session, folder) == (1, False)
    assert writes(kaggle_server) == [1, 0]


@pytest.mark.parametrize(
    ("answers", "says", "uploads"),
    [
        ([refuse(404, "none"), answer({"status": "FAILED"})], "could not process the upload", 1),
        ([answer({"status": "DELETED"})], "was deleted, .* rename the folder", 0),
    ],
)
def test_what_kaggle_cannot_process(
    kaggle_server: Server, session: Follower, folder: Path, answers: list[Fault], says: str, uploads: int
) -> None:
    kaggle_server.script("GetDatasetStatus", *answers)
    with pytest.raises(UserError, match=says):
        bring(session, folder)
    assert sum(writes(kaggle_server)) == uploads


def test_a_failed_version_is_followed_by_another(
    kaggle_server: Server, session: Follower, folder: Path, clock: FakeClock
) -> None:
    bring(session, folder)
    kaggle_server.state.datasets[NAME].state = "FAILED"
    clock.events = [lambda: setattr(kaggle_server.state.datasets[NAME], "state", "READY")]
    kaggle_server.script("GetDatasetStatus", answer({"status": "FAILED"}), answer({"status": "BLOBS_RECEIVED"}))
    assert bring(session, folder) == (2, True)


@pytest.mark.parametrize("fault", [lose(), cut()], ids=["done", "not done"])
def test_a_lost_reply_is_no_second_version(
    kaggle_server: Server, session: Follower, folder: Path, fault: Fault
) -> None:
    bring(session, folder)
    make_pack(folder, {"other.safetensors": b"other", "kit.whl": b"t", "a-fold0.safetensors": b"a"})
    kaggle_server.state.ready_after = 6  # looks: more than there are for what did not arrive
    kaggle_server.script("CreateDatasetVersion", fault)
    if fault.kind == "cut":
        with pytest.raises(Paused, match="did not arrive; run the same command again"):
            bring(session, folder)
    assert bring(session, folder) == (2, True)
    assert writes(kaggle_server) == [1, 1 + (fault.kind == "cut")]
    assert len(kaggle_server.state.datasets[NAME].versions) == 2


@pytest.mark.parametrize("name", ["kit.whl", "team.json"])
def test_a_file_that_is_refused_before_any_request(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"THE KIT")
    with pytest.raises(CorruptError, match=rf"{name} is"):
        read_folder(folder, "tester")


def test_folders_that_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'short' cannot be a dataset"):
        read_folder(make_pack(tmp_path / "short"), "tester")
    (folder / "kit.whl").unlink()
    with pytest.raises(CorruptError, match=r"kit\.whl is not the file"):
        read_folder(folder, "tester")
    with pytest.raises(UserError, match=r"team\.json does not exist; run `ffdi kernels pack` first"):
        read_folder(tmp_path / "absent", "tester")
