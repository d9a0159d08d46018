"""Every call of `submit.kaggle`, through the unmodified client, against an imitation of Kaggle on loopback."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.submission.answers import Contest, DatasetState, KernelState, Limits, Pushed, Quota
from ffdi.submission.kaggle import sign_in
from ffdi.submission.refusals import Refused, Unreachable
from tests.kaggle_server.faults import answer, refuse
from tests.kaggle_server.server import Server
from tests.kaggle_server.state import Competition, Dataset

CSV = b"id,y\na,0.5\n"


def dataset_folder(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    meta = {"id": "tester/some-weights", "title": "Some weights", "licenses": [{"name": "CC0-1.0"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(meta))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def kernel_folder(folder: Path, **changes: object) -> Path:
    folder.mkdir()
    meta = {
        "id": "tester/the-kernel",
        "title": "The kernel",
        "code_file": "main.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "dataset_sources": [],
        "competition_sources": ["toy"],
    }
    meta = {name: value for name, value in (meta | changes).items() if value is not None}
    (folder / "kernel-metadata.json").write_text(json.dumps(meta))
    (folder / "main.py").write_text("print('hello')\n")
    return folder


def test_a_competition_as_kaggle_shows_it(kaggle_server: Server) -> None:
    kaggle_server.state.competitions["toy-2"] = Competition("Another", code_only=True, entered=False)
    deadline = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert sign_in().competition("toy") == Contest("toy", "Toy contest", deadline, 2, False, True)
    assert sign_in().competition("toy-2").code_only
    with pytest.raises(Refused, match="there is none of that name"):
        sign_in().competition("to")


def test_a_file_is_submitted_and_scored(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle = sign_in()
    assert (kaggle.owner, kaggle.source) == ("tester", "KAGGLE_USERNAME and KAGGLE_KEY")
    assert kaggle.limits("toy") == Limits(0, 0, 2)
    (tmp_path / "submission.csv").write_bytes(CSV)
    ref = kaggle.submit_file("toy", tmp_path / "submission.csv", "ffdi tag-1")
    assert kaggle_server.state.submissions[0].data == CSV
    assert kaggle.limits("toy") == Limits(1, 1, 1)
    (first,) = kaggle.submissions("toy")
    assert (first.ref, first.status, first.public, first.message) == (ref, "pending", None, "ffdi tag-1")
    assert not first.done
    assert first.date is not None
    assert first.date.tzinfo is UTC
    (then,) = kaggle.submissions("toy")
    assert (then.status, then.public, then.private, then.done) == ("complete", 0.91234, None, True)


def test_a_kernel_is_pushed_polled_fetched_and_submitted(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle = sign_in()
    pushed = kaggle.push_kernel(kernel_folder(tmp_path / "kernel"), 3600)
    assert pushed == Pushed(1, "https://www.kaggle.com/code/tester/the-kernel")
    (body,) = kaggle_server.bodies("SaveKernel")
    wanted = {
        "isPrivate": True,
        "enableInternet": False,
        "machineShape": "NvidiaTeslaT4",
        "sessionTimeoutSeconds": 3600,
    }
    assert {name: body[name] for name in wanted} == wanted
    states = [kaggle.kernel_status("tester", "the-kernel", 1) for _ in range(3)]
    assert states == [KernelState("queued", ""), KernelState("running", ""), KernelState("complete", "")]
    assert [state.running for state in states] == [True, True, False]
    paths = kaggle.kernel_output("tester", "the-kernel", tmp_path / "out", 1)
    assert [path.name for path in paths] == ["submission.csv", "the-kernel.log"]
    assert paths[0].read_bytes() == CSV
    assert kaggle.submit_kernel("toy", "tester", "the-kernel", 1, "submission.csv", "tag") > 0
    assert kaggle_server.state.submissions[0].kernel == "tester/the-kernel/1"


def test_versions_of_a_kernel_are_told_apart(kaggle_server: Server, tmp_path: Path) -> None:
    """The client's own calls answer for the newest run, whatever version they are asked about."""
    kaggle, folder = sign_in(), kernel_folder(tmp_path / "kernel")
    for number in (1, 2):
        kaggle_server.state.run = lambda request, number=number: {"run.txt": str(number).encode()}
        kaggle_server.state.kernel_states = ["COMPLETE"] if number == 1 else ["ERROR"]
        kaggle_server.state.kernel_failure = "out of memory"
        assert kaggle.push_kernel(folder, 60).version == number
    assert kaggle.kernel_status("tester", "the-kernel", 1) == KernelState("complete", "")
    assert kaggle.kernel_status("tester", "the-kernel") == KernelState("error", "out of memory")
    (path, _) = kaggle.kernel_output("tester", "the-kernel", tmp_path / "one", 1)
    assert path.read_text() == "1"


def test_a_dataset_is_made_and_gets_a_version(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle = sign_in()
    assert kaggle.dataset_status("tester", "some-weights") == DatasetState("missing", 0)
    kaggle.create_dataset(dataset_folder(tmp_path / "one", a=b"1234", b=b"5"))
    assert kaggle_server.state.datasets["tester/some-weights"].requests[0]["isPrivate"] is True
    states = [kaggle.dataset_status("tester", "some-weights") for _ in range(2)]
    assert states == [DatasetState("not_yet_persisted", 1), DatasetState("ready", 1)]
    assert [state.taking_in for state in states] == [True, False]
    assert kaggle.dataset_files("tester", "some-weights") == {"a": 4, "b": 1}
    kaggle.dataset_version(dataset_folder(tmp_path / "two", c=b"12"), "second")
    assert kaggle_server.state.datasets["tester/some-weights"].versions == [{"a": b"1234", "b": b"5"}, {"c": b"12"}]
    assert kaggle_server.state.datasets["tester/some-weights"].notes == ["", "second"]
    with pytest.raises(Refused, match="exists already"):
        kaggle.create_dataset(tmp_path / "one")


def test_the_quota(kaggle_server: Server) -> None:
    assert sign_in().gpu_quota() == Quota(2.0, 30.0, datetime(2026, 11, 28, tzinfo=UTC))


def test_every_page_of_a_list_is_read(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle_server.state.competitions["toy"].per_day = 1000
    kaggle_server.state.page = 7
    (tmp_path / "s.csv").write_bytes(CSV)
    for number in range(22):
        body = {"competitionName": "toy", "blobFileTokens": "blob", "submissionDescription": f"tag {number}"}
        kaggle_server.state.blobs["blob"] = ("s.csv", CSV)
        kaggle_server.api.call("CreateSubmission", body)
    assert [one.message for one in sign_in().submissions("toy")] == [f"tag {n}" for n in reversed(range(22))]


def test_a_list_without_tokens_is_read_by_numbers_until_it_repeats_itself(kaggle_server: Server) -> None:
    rows = [{"ref": number} for number in range(1, 101)]
    full, last = answer({"submissions": rows}), answer({"submissions": [{"ref": 101}]})
    kaggle_server.script("ListSubmissions", full, last)
    assert [one.ref for one in sign_in().submissions("toy")] == list(range(1, 102))
    assert [body.get("page") for body in kaggle_server.bodies("ListSubmissions")] == [None, 2]
    kaggle_server.script("ListSubmissions", full, full)
    assert [one.ref for one in sign_in().submissions("toy")] == list(range(1, 101))


@pytest.mark.parametrize(
    ("fields", "status", "public", "error"),
    [
        ({"status": "ERROR", "errorDescription": "Scoring error"}, "error", None, "Scoring error"),
        ({"status": "Complete", "publicScore": "0.5"}, "complete", 0.5, ""),
        ({"status": "RESCORING", "publicScore": "n/a"}, "unknown: RESCORING", None, ""),
        ({"publicScore": "nan", "date": "yesterday"}, "pending", None, ""),
        ({"status": 7, "publicScore": 0.25, "description": None}, "pending", 0.25, ""),
    ],
)
def test_odd_fields_of_a_submission(
    kaggle_server: Server, fields: dict[str, object], status: str, public: float | None, error: str
) -> None:
    kaggle_server.script("ListSubmissions", answer({"submissions": [{"ref": 5} | fields, "no object"]}))
    (sent,) = sign_in().submissions("toy")
    assert (sent.ref, sent.status, sent.public, sent.error, sent.message) == (5, status, public, error, "")


def test_a_state_that_nobody_knows_is_still_running(kaggle_server: Server) -> None:
    kaggle_server.script("GetKernelSessionStatus", answer({"status": "WARMING_UP"}))
    state = sign_in().kernel_status("tester", "the-kernel")
    assert (state.state, state.running) == ("unknown: WARMING_UP", True)
    kaggle_server.state.datasets["tester/some-weights"] = Dataset("Some weights", [{}])
    kaggle_server.script("GetDatasetStatus", answer({"status": "SHUFFLING"}))
    assert sign_in().dataset_status("tester", "some-weights").taking_in


def test_an_answer_without_a_number_is_number_zero(kaggle_server: Server, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(CSV)
    kaggle_server.script("CreateSubmission", answer({}))
    assert sign_in().submit_file("toy", tmp_path / "s.csv", "tag") == 0
    kaggle_server.script("CreateCodeSubmission", answer({"message": "ok"}))
    assert sign_in().submit_kernel("toy", "tester", "the-kernel", 1, "s.csv", "tag") == 0


@pytest.mark.parametrize("name", ["Tags", "DatasetSources", "CompetitionSources", "KernelSources", "ModelSources"])
def test_a_push_with_a_source_that_is_not_there_is_refused(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    kaggle_server.script("SaveKernel", answer({"versionNumber": 3, "url": "u", f"invalid{name}": ["some/thing"]}))
    with pytest.raises(Refused, match="some/thing") as refused:
        sign_in().push_kernel(kernel_folder(tmp_path / "kernel"), 60)
    helps = "open https://www.kaggle.com/competitions/some/thing/rules in a browser"
    assert (helps in str(refused.value)) == (name == "CompetitionSources")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"error": "Maximum batch GPU session count of 2 reached."}, "wait for a running GPU kernel"),
        ({"url": "u"}, "names no version"),
        ({"code": 403}, "names no version"),
        ({"code": 403, "message": "Please verify your phone"}, "verify your phone number"),
        ({"error": {"code": 400, "message": "Kernel not found"}}, "Kernel not found"),
    ],
)
def test_a_push_that_fails_with_success_is_refused(
    kaggle_server: Server, tmp_path: Path, body: dict[str, object], says: str
) -> None:
    kaggle_server.script("SaveKernel", answer(body))
    with pytest.raises(Refused, match=says):
        sign_in().push_kernel(kernel_folder(tmp_path / "kernel"), 60)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"enable_internet": None}, '"enable_internet" must be true or false'),
        ({"is_private": "true"}, '"is_private" must be true or false'),
        ({"language": "basic"}, "valid language"),
        ({"code_file": "other.py"}, "Source file not found"),
        ({"model_sources": ["a/b/c/d"]}, "nothing was pushed"),
    ],
)
def test_metadata_that_the_client_would_refuse(
    kaggle_server: Server, tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        sign_in().push_kernel(kernel_folder(tmp_path / "kernel", **changes), 60)
    assert kaggle_server.count("SaveKernel") == 0


def test_a_client_that_cannot_be_loaded_is_a_sentence(
    kaggle_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes its folder when it is imported, and may leave the process."""
    folder = kernel_folder(tmp_path / "kernel")
    sign_in().push_kernel(folder, 60)
    for error in (PermissionError(13, "Permission denied"), SystemExit(1)):
        finder = type("Finder", (), {"find_spec": _raising(error)})
        for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        with pytest.raises(UserError, match=r"cannot be loaded .* KAGGLE_CONFIG_DIR"):
            sign_in().push_kernel(folder, 60)
    assert kaggle_server.count("SaveKernel") == 1


def _raising(error: BaseException) -> Callable[..., None]:
    def find_spec(name: str, *more: object) -> None:
        if name == "kaggle":
            raise error

    return find_spec


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"id": "some-weights"}, 'id: write "owner/slug"'),
        ({"id": "tester/short"}, "6 to 50"),
        ({"title": "Short"}, "title: .* at least 6 characters"),
        ({"licenses": []}, "licenses: .* at least 1 item"),
        ({"keyword": []}, "unknown key 'keyword'"),
    ],
)
def test_a_dataset_that_kaggle_would_refuse(
    kaggle_server: Server, tmp_path: Path, meta: dict[str, object], says: str
) -> None:
    folder = dataset_folder(tmp_path / "one", a=b"1")
    path = folder / "dataset-metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | meta))
    with pytest.raises(UserError, match=says):
        sign_in().create_dataset(folder)
    assert kaggle_server.seen == []


def test_a_dataset_is_flat_and_not_empty(kaggle_server: Server, tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path / "one")
    with pytest.raises(UserError, match="has 0 files"):
        sign_in().dataset_version(folder, "notes")
    (folder / "sub").mkdir()
    with pytest.raises(UserError, match="is no file"):
        sign_in().dataset_version(folder, "notes")
    assert kaggle_server.seen == []


@pytest.mark.parametrize("name", ["../submission.csv", "/etc/passwd", "a\\b", "", "x\0y"])
def test_the_name_of_an_output_is_never_trusted(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    kaggle_server.state.run = lambda request: {"good.txt": b"1", name: b"2"}
    sign_in().push_kernel(kernel_folder(tmp_path / "kernel"), 60)
    with pytest.raises(UserError, match="nothing of it was written"):
        sign_in().kernel_output("tester", "the-kernel", tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


def test_outputs_lie_where_they_lay_and_only_in_a_fresh_folder(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle_server.state.run = lambda request: {"a.txt": b"1", "sub/a.txt": b"22", "the-kernel.log": b"own log"}
    kaggle_server.state.page = 2
    kaggle = sign_in()
    kaggle.push_kernel(kernel_folder(tmp_path / "kernel"), 60)
    paths = kaggle.kernel_output("tester", "the-kernel", tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in paths} == {
        "a.txt": b"1",
        "sub/a.txt": b"22",
        "the-kernel.log": b"own log",
    }
    with pytest.raises(UserError, match="is not empty"):
        kaggle.kernel_output("tester", "the-kernel", tmp_path / "out")


def test_an_output_that_is_refused_is_not_saved_as_a_file(kaggle_server: Server, tmp_path: Path) -> None:
    kaggle = sign_in()
    kaggle.push_kernel(kernel_folder(tmp_path / "kernel"), 60)
    kaggle_server.script("GET", refuse(403, "<Error>expired</Error>", "page"))
    with pytest.raises(Refused):
        kaggle.kernel_output("tester", "the-kernel", tmp_path / "out")
    assert not (tmp_path / "out" / "submission.csv").exists()


def test_a_token_signs_in_by_asking_who_it_is(kaggle_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token-0123456789")
    kaggle_server.token = "token-0123456789"
    kaggle = sign_in()
    assert (kaggle.owner, kaggle.source) == ("tester", "KAGGLE_API_TOKEN")
    assert kaggle.limits("toy").allowed_now == 2
    assert kaggle_server.seen[-1].authorization == "Bearer token-0123456789"
    kaggle_server.script("IntrospectToken", answer({"active": False}))
    with pytest.raises(Refused, match="is not valid any more; make a new token"):
        sign_in()


def test_a_key_is_sent_although_an_old_token_appears(kaggle_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would send the token, and say that it used the key."""
    kaggle = sign_in()
    monkeypatch.setenv("KAGGLE_API_TOKEN", "stale-token")
    assert kaggle.limits("toy").allowed_now == 2


@pytest.mark.parametrize("environment", ["TEST", "STAGING"])
def test_an_environment_of_the_staff_is_refused(
    kaggle_server: Server, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", environment)
    with pytest.raises(UserError, match="unset it"):
        sign_in()


def test_the_guard_stops_a_call_to_the_real_host(kaggle_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_ENVIRONMENT")
    with pytest.raises(Unreachable):
        sign_in().limits("toy")
    assert {(one.name, one.target) for one in kaggle_server.seen} == {("CONNECT", "api.kaggle.com:443")}
    kaggle_server.seen.clear()


def in_a_child(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)


def test_the_clients_own_command_line_meets_the_same_server(kaggle_server: Server, tmp_path: Path) -> None:
    """The imitation is one of Kaggle, not of how the kit calls it."""
    (tmp_path / "s.csv").write_bytes(CSV)
    sent = in_a_child("-m", "kaggle", "competitions", "submit", "toy", "-f", str(tmp_path / "s.csv"), "-m", "by hand")
    assert "Successfully submitted to Toy contest" in sent.stdout
    assert [one.message for one in sign_in().submissions("toy")] == ["by hand"]


def test_a_push_prints_nothing(kaggle_server: Server, tmp_path: Path) -> None:
    """The client's import looks for a credential of its own, and prints help on stdout where it finds none."""
    code = """
import os, sys
from pathlib import Path
from ffdi.submission.kaggle import sign_in
kaggle = sign_in()
del os.environ["KAGGLE_KEY"]
assert kaggle.push_kernel(Path(sys.argv[1]), 60).version == 1
"""
    pushed = in_a_child("-c", code, str(kernel_folder(tmp_path / "kernel")))
    assert (pushed.stdout, pushed.stderr, pushed.returncode) == ("", "", 0)
