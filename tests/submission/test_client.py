"""What each call means, through the official SDK, against an imitation of Kaggle on loopback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.submission.client import sign_in
from ffdi.submission.errors import Refused, Unreachable
from tests.fixtures.kaggle.api import Outcome, Submission
from tests.fixtures.kaggle.server import Server, answer, refuse
from tests.fixtures.pushing import ABOUT, SCRIPT

KERNEL = ABOUT.id


def push() -> tuple[int, str]:
    return sign_in().push_kernel(ABOUT, SCRIPT)


def test_versions_of_a_kernel_are_told_apart(kaggle_server: Server, tmp_path: Path) -> None:
    """The official client answers for the newest run, whatever version it is asked about."""
    for number, state in ((1, "COMPLETE"), (2, "ERROR")):
        kaggle_server.state.run = lambda request, number=number: {"run.txt": str(number).encode()}
        kaggle_server.state.kernel_states, kaggle_server.state.kernel_failure = [state], "out of memory"
        assert push() == (number, f"https://www.kaggle.com/code/{KERNEL}")
    kaggle = sign_in()
    assert kaggle.kernel_status(KERNEL, 1).status == "complete"
    assert kaggle.kernel_status(KERNEL, 2).failure_message == "out of memory"
    kaggle.kernel_output(KERNEL, tmp_path / "one", 1)
    assert {path.name: path.read_text() for path in (tmp_path / "one").iterdir()} == {
        "run.txt": "1",
        "toy-infer.log": "the log\n",
    }


def test_we_send_what_the_official_client_would(kaggle_server: Server, tmp_path: Path) -> None:
    def official(*command: str) -> str:
        line = [sys.executable, "-m", "kaggle", *command]
        return subprocess.run(line, capture_output=True, text=True, timeout=120).stdout

    path = tmp_path / "submission.csv"
    path.write_bytes(b"id,y\n")
    sign_in().push_kernel(ABOUT, SCRIPT)
    sign_in().submit_file("toy", path, "tag")
    about = {
        "id": KERNEL, "title": "toy-infer", "code_file": "toy-infer.py", "language": "python",
        "kernel_type": "script", "is_private": True, "enable_gpu": True, "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4", "competition_sources": ["toy"],
    }  # fmt: skip
    (tmp_path / "kernel-metadata.json").write_text(json.dumps(about))
    (tmp_path / "toy-infer.py").write_text(SCRIPT)
    assert "version 2 successfully pushed" in official("kernels", "push", "-p", str(tmp_path), "-t", "43200")
    sent = official("competitions", "submit", "toy", "-f", str(path), "-m", "tag")
    assert "Successfully submitted to Toy contest" in sent
    for name in ("SaveKernel", "StartSubmissionUpload", "CreateSubmission"):
        ours, theirs = kaggle_server.bodies(name)
        ours = {key: value for key, value in ours.items() if value != []}  # it leaves out what is the default
        assert ours | {"blobFileTokens": ""} == theirs | {"blobFileTokens": ""}  # a token each


def test_every_page_of_a_list_is_read(kaggle_server: Server) -> None:
    kaggle_server.state.page = 7
    sent = [Submission(number, "toy", f"tag {number}", "", Outcome()) for number in range(22)]
    kaggle_server.state.submissions.extend(sent)
    assert [one.message for one in sign_in().submissions("toy")] == [f"tag {n}" for n in reversed(range(22))]
    kaggle_server.script("ListSubmissions", answer({"submissions": None}))
    assert sign_in().submissions("toy") == []


@pytest.mark.parametrize(
    ("fields", "status", "public", "error"),
    [
        ({"status": "RESCORING", "publicScore": "n/a"}, "rescoring", None, ""),
        ({"publicScore": "nan", "date": "yesterday"}, "pending", None, ""),
        ({"status": 7, "publicScore": 0.25, "description": None, "errorDescription": "no"}, "pending", 0.25, "no"),
    ],
)
def test_odd_fields_of_a_submission(
    kaggle_server: Server, fields: dict[str, object], status: str, public: float | None, error: str
) -> None:
    kaggle_server.script("ListSubmissions", answer({"submissions": [{"ref": 5} | fields]}))
    (sent,) = sign_in().submissions("toy")
    assert (sent.ref, sent.status, sent.public_score, sent.error, sent.message, sent.date) == (
        5, status, public, error, "", None,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["../submission.csv", "/etc/passwd", "x\0y"])
def test_the_name_of_an_output_is_never_trusted(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    kaggle_server.state.run = lambda request: {"good.txt": b"1", name: b"2"}
    push()
    with pytest.raises(UserError, match=r"leads outside|NUL"):
        sign_in().kernel_output(KERNEL, tmp_path / "in" / "out", 1)
    assert not (tmp_path / "in").exists()


def test_outputs_keep_their_folders_and_an_error_page_is_no_file(kaggle_server: Server, tmp_path: Path) -> None:
    left = {"a.txt": b"1", "sub/a.txt": b"22", "toy-infer.log": b"own log"}
    kaggle_server.state.run = lambda request: left
    kaggle_server.state.page = 2
    push()
    sign_in().kernel_output(KERNEL, tmp_path / "out", 1)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in left} == left
    kaggle_server.script("GET", *[refuse(403, "<Error>expired</Error>", "page")] * 3)
    with pytest.raises(Unreachable, match=r"storage did not send the file \(HTTP 403\)"):
        sign_in().kernel_output(KERNEL, tmp_path / "second", 1)
    assert not list((tmp_path / "second").glob("*.txt"))


def test_a_token_signs_in_by_asking_who_it_is(kaggle_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token-0123456789")
    kaggle_server.token = "token-0123456789"
    kaggle = sign_in()
    assert (kaggle.owner, kaggle.source, kaggle.limits("toy").num_allowed_now) == ("tester", "KAGGLE_API_TOKEN", 2)
    assert kaggle_server.seen[-1].authorization == "Bearer token-0123456789"
    kaggle_server.script("IntrospectToken", answer({"active": False}))
    with pytest.raises(Refused, match="is not valid any more; make a new token"):
        sign_in()


def test_the_guard_stops_a_call_to_the_real_host(kaggle_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_API_ENVIRONMENT")
    with pytest.raises(Unreachable):
        sign_in().limits("toy")
    assert {(one.name, one.target) for one in kaggle_server.seen} == {("CONNECT", "api.kaggle.com:443")}
    kaggle_server.seen.clear()
