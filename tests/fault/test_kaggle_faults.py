"""Kaggle at its worst: every call answered late, wrongly or not at all; and nothing secret in what is then said."""

import base64
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ffdi.cli import main as command
from ffdi.core.errors import FfdiError
from ffdi.submission.client import KaggleClient, sign_in
from ffdi.submission.download import download
from ffdi.submission.errors import LostReply, Refused, Unreachable
from ffdi.submission.retry import RetryPolicy
from tests.fixtures.kaggle.api import Dataset, Run
from tests.fixtures.kaggle.fixture import quick
from tests.fixtures.kaggle.server import CANARY, Fault, Server, answer, cut, hang, lose, refuse, stop
from tests.fixtures.pushing import ABOUT, SCRIPT

Call = Callable[[KaggleClient, Path], object]
OLD, KERNEL = "tester/old-weights", ABOUT.id
READS: dict[str, Call] = {
    "GetSubmissionLimits": lambda kaggle, folder: kaggle.limits("toy"),
    "ListSubmissions": lambda kaggle, folder: kaggle.submissions("toy"),
    "GetDatasetStatus": lambda kaggle, folder: kaggle.dataset_status(OLD),
    "ListDatasetFiles": lambda kaggle, folder: kaggle.dataset_files(OLD),
    "GetKernel": lambda kaggle, folder: kaggle.newest_kernel(KERNEL),
    "GetKernelSessionStatus": lambda kaggle, folder: kaggle.kernel_status(KERNEL, 1),
    "ListKernelSessionOutput": lambda kaggle, folder: kaggle.kernel_output(KERNEL, folder / "out", 1),
    "DownloadDataFiles": lambda kaggle, folder: kaggle.fetch_archive("toy", folder / "toy.zip"),
}
WRITES: dict[str, Call] = {
    "CreateSubmission": lambda kaggle, folder: kaggle.submit_file("toy", folder / "submission.csv", "tag"),
    "CreateCodeSubmission": lambda kaggle, folder: kaggle.submit_kernel("toy", KERNEL, 1, "tag"),
    "CreateDataset": lambda kaggle, folder: kaggle.save_dataset("tester/new-weights", files_of(folder), "", new=True),
    "CreateDatasetVersion": lambda kaggle, folder: kaggle.save_dataset(OLD, files_of(folder), "notes", new=False),
    "SaveKernel": lambda kaggle, folder: kaggle.push_kernel(ABOUT, SCRIPT),
}
UPLOADS = {"CreateSubmission": "StartSubmissionUpload", "CreateDatasetVersion": "StartBlobUpload"}


@pytest.fixture
def folder(kaggle_server: Server, tmp_path: Path) -> Path:
    """A server with one of everything, and a folder with something to send."""
    kaggle_server.state.datasets[OLD] = Dataset([{"a": b"1"}])
    kaggle_server.state.kernels[KERNEL] = [Run({}, ["COMPLETE"], {"submission.csv": b"id,y\n"}, "log")]
    (tmp_path / "submission.csv").write_bytes(b"id,y\na,0.5\n")
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(name.encode() * 200)
    return tmp_path


def files_of(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in ("a.bin", "b.bin")}


def made(server: Server, name: str) -> int:
    """How many things a write has made."""
    state = server.state
    return {
        "CreateDataset": len(state.datasets) - 1,
        "CreateDatasetVersion": len(state.datasets[OLD].versions) - 1,
        "SaveKernel": len(state.kernels[KERNEL]) - 1,
    }.get(name, len(state.submissions))


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    "fault",
    [
        refuse(429, "Too many requests", retry_after="0"),
        refuse(500, "Internal error", "flat"),
        refuse(503, form="empty"),
        refuse(503, form="broken"),
        cut(),
        answer(b"<html>", "text/html"),
        answer([1, 2]),
    ],
    ids=["429", "500", "empty 503", "broken 503", "cut", "no JSON", "no object"],
)
def test_a_read_is_repeated_until_it_succeeds(kaggle_server: Server, folder: Path, name: str, fault: Fault) -> None:
    if name == "DownloadDataFiles" and fault.kind == "answer" and fault.status == 200:
        fault = cut()  # what is in a file is not looked at here
    kaggle_server.script(name, fault)
    READS[name](sign_in(), folder)
    assert kaggle_server.count(name) == 2


@pytest.mark.parametrize("name", READS)
def test_a_read_gives_up_in_the_end(kaggle_server: Server, folder: Path, name: str) -> None:
    kaggle_server.script(name, *[refuse(503, "Down for maintenance")] * 3)
    with pytest.raises(Unreachable, match=r"busy \(HTTP 503: Down for maintenance\)"):
        READS[name](sign_in(quick(tries=3)), folder)
    assert kaggle_server.count(name) == 3
    kaggle_server.script(name, hang())
    with pytest.raises(Unreachable, match="check the network"):
        READS[name](sign_in(quick(tries=1, timeout=0.3)), folder)


REFUSALS = [refuse(status, "The very reason.", form) for status in (400, 401, 403, 404) for form in ("nested", "flat")]
# Kaggle also refuses with a status of success.
DISGUISED = [answer({"code": 400, "message": "The very reason."}), answer({"error": {"message": "The very reason."}})]


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_what_is_refused_is_not_repeated(kaggle_server: Server, folder: Path, name: str) -> None:
    call, faults = {**READS, **WRITES}[name], [*REFUSALS, *(DISGUISED if name != "DownloadDataFiles" else [])]
    if name in ("GetDatasetStatus", "ListDatasetFiles", "GetKernel"):  # a refusal there means that there is none
        faults = [fault for fault in faults if fault.status not in (403, 404)]
    for fault in faults:
        kaggle_server.script(name, fault)
        with pytest.raises(Refused, match="The very reason"):
            call(sign_in(), folder)
    assert kaggle_server.count(name) == len(faults)
    assert name in READS or made(kaggle_server, name) == 0


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (lose(), 1),
        (lose(502), 1),
        (cut(), 0),
        (refuse(503, form="broken"), 0),
        (answer(b"<html>", "text/html"), 0),
        (hang(), 0),
    ],
    ids=["done, cut", "done, 502", "cut", "broken 503", "no JSON", "hangs"],
)
def test_a_write_whose_answer_is_lost_is_not_repeated(
    kaggle_server: Server, folder: Path, name: str, fault: Fault, done: int
) -> None:
    kaggle_server.script(name, fault)
    with pytest.raises(LostReply, match="may or may not have been done; look there"):
        WRITES[name](sign_in(quick(timeout=0.5 if fault.kind == "hang" else 20.0)), folder)
    assert (kaggle_server.count(name), made(kaggle_server, name)) == (1, done)


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("Your team has used its daily Submission allowance (2) today, please try again tomorrow UTC.", "00:00 UTC"),
        ("Notebook is still running. Did not find provided Notebook Output File.", "complete"),
        ('Submission files must be named "submission.json" for this Competition.', "that name"),
        ("Your Notebook's runtime of 233 minutes exceeds this competition's GPU max of 120 minutes.", "run shorter"),
        ("This competition only accepts Submissions from Notebooks", "ffdi kernels push"),
        ("Submissions have been disabled for this competition.", "deadline"),
        ("You must accept this competition's rules before you can submit", "competitions/toy/rules"),
        ("Phone verification is required", "https://www.kaggle.com/settings"),
    ],
)
def test_a_known_refusal_says_what_helps(kaggle_server: Server, folder: Path, reason: str, helps: str) -> None:
    kaggle_server.script("CreateSubmission", refuse(400, f"Submission not allowed: {reason}"))
    with pytest.raises(Refused, match=helps) as refused:
        WRITES["CreateSubmission"](sign_in(), folder)
    assert refused.value.reason == f"Submission not allowed: {reason}"
    assert reason.rstrip(".") in str(refused.value)


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("fault", [cut(), stop(5), hang(), refuse(308), refuse(403, "expired"), lose()])
def test_an_upload_that_breaks_is_made_anew_and_whole(
    kaggle_server: Server, folder: Path, name: str, fault: Fault
) -> None:
    """The official client would go on, say "ok", and make a version without the file."""
    kaggle_server.script(UPLOADS[name], lose())
    kaggle_server.script("PUT", fault)
    WRITES[name](sign_in(quick(timeout=0.5 if fault.kind == "hang" else 20.0)), folder)
    assert made(kaggle_server, name) == 1
    sent = {name: data for name, data in kaggle_server.state.blobs.values() if data}
    assert sent == {path: (folder / path).read_bytes() for path in sent}
    newest = kaggle_server.state.datasets[OLD].versions[-1]
    kept = newest if name == "CreateDatasetVersion" else {"submission.csv": kaggle_server.state.submissions[0].data}
    assert kept == sent


@pytest.mark.parametrize("body", [{}, {"token": "t"}, {"token": "t", "createUrl": "file:///etc/passwd"}])
def test_a_place_to_upload_to_that_is_none(kaggle_server: Server, folder: Path, body: dict[str, str]) -> None:
    kaggle_server.script("StartSubmissionUpload", *[answer(body)] * 3)
    with pytest.raises(Unreachable, match="no URL to upload"):
        WRITES["CreateSubmission"](sign_in(), folder)
    assert kaggle_server.count("CreateSubmission") == 0


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ({"status": "error", "error": "already in use by a dataset"}, Refused, "rename the packed folder"),
        ({"url": "u"}, LostReply, "neither yes nor no"),
    ],
)
def test_a_dataset_that_is_not_made_with_a_status_of_success(
    kaggle_server: Server, folder: Path, body: dict[str, str], error: type[FfdiError], says: str
) -> None:
    kaggle_server.script("CreateDataset", answer(body))
    with pytest.raises(error, match=says):
        WRITES["CreateDataset"](sign_in(), folder)
    assert kaggle_server.count("CreateDataset") == 1


@pytest.mark.parametrize("fault", [stop(3), cut(), refuse(500)])
def test_an_output_that_breaks_off_is_fetched_to_its_end(kaggle_server: Server, folder: Path, fault: Fault) -> None:
    kaggle_server.script("GET", fault)
    sign_in().kernel_output(KERNEL, folder / "out", 1)
    assert (folder / "out" / "submission.csv").read_bytes() == b"id,y\n"


def test_retries_wait_as_long_as_kaggle_asks_and_no_longer_than_we_do(kaggle_server: Server) -> None:
    waits: list[float] = []
    asked = ["7", "", "Wed, 21 Oct 2015 07:28:00 GMT", "9999", "x"]
    kaggle_server.script("GetSubmissionLimits", *[refuse(429, retry_after=text) for text in asked])
    sign_in(RetryPolicy(tries=6, backoff=1.0, max_backoff=50.0, sleep=waits.append)).limits("toy")
    assert (waits[0], waits[3]) == (7.0, 50.0)
    assert all(2**n / 2 <= waits[n] <= 2**n for n in (1, 2, 4))


# The canary: a key that must not be seen in anything that is printed, logged, written or raised.
ECHO = f"bad credentials tester:{CANARY} Basic {base64.b64encode(f'tester:{CANARY}'.encode()).decode()} {quote(CANARY)}"
CRASHES = [refuse(401, ECHO), refuse(403, ECHO, "flat"), refuse(500, ECHO), refuse(404, ECHO, "page"), cut(),
           answer({"error": {"message": ECHO}}), answer(ECHO.encode(), "text/html")]  # fmt: skip
HALF = len(CANARY) // 2
FORMS = [CANARY, quote(CANARY, safe=""), CANARY[HALF:] + CANARY[:HALF], CANARY[::-1]]
FORMS += [base64.b64encode(b"\0" * shift + CANARY.encode()).decode()[4:-4] for shift in range(3)]


def everything_of(error: BaseException) -> str:
    """The traceback with every cause and context, suppressed ones too, and what their objects hold."""
    text, queue, seen = "".join(traceback.format_exception(error)), [error], set()
    while queue:
        one = queue.pop()
        seen.add(id(one))
        text += repr(one) + repr(one.args) + repr(vars(one))
        response: Any = getattr(one, "response", None)
        if response is not None:
            text += repr(response.request.headers) + response.text
        queue += [more for more in (one.__cause__, one.__context__) if more is not None and id(more) not in seen]
    return text


def test_the_canary_is_nowhere_after_many_crashes(
    kaggle_server: Server,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """n: 14 calls x 7 faults, and a verb under each fault."""
    texts, codes = [], set()
    monkeypatch.setattr(sys, "argv", ["ffdi", "download", "--competition", "toy", "--data", str(folder / "data")])
    with caplog.at_level(logging.DEBUG):
        for name, call in {**READS, **WRITES}.items():
            for number, fault in enumerate(CRASHES):
                kaggle_server.scripts.clear()
                kaggle_server.script(name, *[fault] * 3)
                try:
                    call(sign_in(), folder / f"{name}{number}" if name in READS else folder)
                except FfdiError as error:
                    texts.append(everything_of(error))
        for fault in CRASHES:
            kaggle_server.scripts.clear()
            kaggle_server.script("DownloadDataFiles", *[fault] * 3)
            with pytest.raises(SystemExit) as ended:
                command.main()
            codes.add(ended.value.code)
    captured = capfd.readouterr()
    crashes = len(texts)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "toy.zip"]  # as it was sent
    texts += [captured.out, captured.err, caplog.text, *(path.read_bytes().decode(errors="replace") for path in files)]
    assert crashes >= 80
    assert codes == {1, 2}
    assert "[hidden]" in captured.err
    assert [form for form in FORMS for text in texts if form in text] == []


def test_the_canary_is_nowhere_as_a_token(
    kaggle_server: Server, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAGGLE_API_TOKEN", CANARY)
    kaggle_server.token = CANARY
    texts = []
    for fault in CRASHES:
        kaggle_server.script("SaveKernel", fault)
        with pytest.raises(FfdiError) as raised:
            WRITES["SaveKernel"](sign_in(), folder)
        texts.append(everything_of(raised.value))
    captured = capfd.readouterr()
    assert [form for form in FORMS for text in [*texts, captured.out, captured.err] if form in text] == []


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_a_download_that_is_killed_goes_on(kaggle_server: Server, tmp_path: Path, kills: int) -> None:
    files = {f"images/{n:04d}.bin": bytes([n % 256]) * 2000 for n in range(600)}
    kaggle_server.state.competitions["toy"].files = files
    target = tmp_path / "toy"
    command_line = [sys.executable, "-m", "ffdi.cli.main", "download", "--competition", "toy", "--data", str(target)]
    for kill in range(kills):
        child = subprocess.Popen(command_line, stdout=subprocess.DEVNULL)
        wanted = target / "images" / f"{(kill + 1) * 500 // kills:04d}.bin"
        while child.poll() is None and not wanted.exists():
            time.sleep(0.01)
        child.kill()
        child.wait()
    download("toy", target, sign_in)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*.bin")}
    assert found == files
    assert kaggle_server.count("DownloadDataFiles") == 1
    assert sorted(path.name for path in (target / ".download").iterdir()) == [".lock", "toy.files.json"]
