"""Kaggle at its worst: every call answered late, wrongly or not at all; and nothing secret in what is then said."""

import base64
import contextlib
import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from ffdi.cli import main as command
from ffdi.core.errors import FfdiError
from ffdi.submission.download import download
from ffdi.submission.kaggle import Kaggle, sign_in
from ffdi.submission.refusals import LostReply, Refused, Unreachable
from tests.kaggle_server.faults import Fault, answer, cut, drip, hang, lose, refuse, slow, stop
from tests.kaggle_server.fixture import CANARY, quick
from tests.kaggle_server.server import Server
from tests.kaggle_server.state import Dataset, Run

Call = Callable[[Kaggle, Path], object]


def prepared(server: Server, folder: Path) -> Path:
    """A server with something of everything, and a folder with something to send."""
    server.state.datasets["tester/old-weights"] = Dataset("Old weights", [{"a": b"1"}])
    done = Run({}, ["COMPLETE"], {"submission.csv": b"id,y\n"}, "log", "")
    server.state.kernels["tester/the-kernel"] = [done]
    (folder / "s.csv").write_bytes(b"id,y\na,0.5\n")
    for slug in ("old-weights", "new-weights"):
        (folder / slug).mkdir()
        meta = {"id": f"tester/{slug}", "title": "The weights", "licenses": [{"name": "CC0-1.0"}]}
        (folder / slug / "dataset-metadata.json").write_text(json.dumps(meta))
        (folder / slug / "a.bin").write_bytes(b"\0" * 1000)
        (folder / slug / "b.bin").write_bytes(b"\1" * 1000)
    (folder / "kernel").mkdir()
    meta = {"id": "tester/the-kernel", "title": "The kernel", "code_file": "main.py", "language": "python",
            "kernel_type": "script", "is_private": True, "enable_internet": False}  # fmt: skip
    (folder / "kernel" / "kernel-metadata.json").write_text(json.dumps(meta))
    (folder / "kernel" / "main.py").write_text("print()\n")
    return folder


READS: dict[str, Call] = {
    "ListCompetitions": lambda kaggle, folder: kaggle.competition("toy"),
    "GetSubmissionLimits": lambda kaggle, folder: kaggle.limits("toy"),
    "ListSubmissions": lambda kaggle, folder: kaggle.submissions("toy"),
    "GetDatasetStatus": lambda kaggle, folder: kaggle.dataset_status("tester", "old-weights"),
    "ListDatasetFiles": lambda kaggle, folder: kaggle.dataset_files("tester", "old-weights"),
    "GetKernelSessionStatus": lambda kaggle, folder: kaggle.kernel_status("tester", "the-kernel"),
    "ListKernelSessionOutput": lambda kaggle, folder: kaggle.kernel_output("tester", "the-kernel", folder / "out"),
    "GetAcceleratorQuotaStatistics": lambda kaggle, folder: kaggle.gpu_quota(),
    "DownloadDataFiles": lambda kaggle, folder: kaggle.fetch_archive("toy", folder / "toy.zip"),
}


@dataclass(frozen=True)
class Write:
    """`made`: how many of the thing there are."""

    call: Call
    made: Callable[[Server], int]


WRITES = {
    "CreateSubmission": Write(
        lambda kaggle, folder: kaggle.submit_file("toy", folder / "s.csv", "tag"),
        lambda server: len(server.state.submissions),
    ),
    "CreateCodeSubmission": Write(
        lambda kaggle, folder: kaggle.submit_kernel("toy", "tester", "the-kernel", 1, "submission.csv", "tag"),
        lambda server: len(server.state.submissions),
    ),
    "CreateDataset": Write(
        lambda kaggle, folder: kaggle.create_dataset(folder / "new-weights"),
        lambda server: len(server.state.datasets) - 1,
    ),
    "CreateDatasetVersion": Write(
        lambda kaggle, folder: kaggle.dataset_version(folder / "old-weights", "notes"),
        lambda server: len(server.state.datasets["tester/old-weights"].versions) - 1,
    ),
    "SaveKernel": Write(
        lambda kaggle, folder: kaggle.push_kernel(folder / "kernel", 60),
        lambda server: len(server.state.kernels["tester/the-kernel"]) - 1,
    ),
}

PASSING = {
    "429": refuse(429, "Too many requests", retry_after="0"),
    "500": refuse(500, "Internal error", "flat"),
    "503 without a body": refuse(503, form="empty"),
    "503 that claims to be JSON": refuse(503, form="broken"),
    "cut": cut(),
    "no JSON": answer(b"<html>", "text/html"),
    "no object": answer([1, 2]),
    "an empty body": answer(b""),
    "slow": slow(0.05),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_is_repeated_until_it_succeeds(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    folder = prepared(kaggle_server, tmp_path)
    calm = {key: fault for key, fault in PASSING.items() if name != "DownloadDataFiles" or fault.status >= 400}
    for number, fault in enumerate(calm.values()):
        before = kaggle_server.count(name)
        kaggle_server.script(name, fault)
        (folder / str(number)).mkdir()
        READS[name](sign_in(), folder / str(number))
        assert kaggle_server.count(name) - before == (1 if fault.kind == "slow" else 2)


@pytest.mark.parametrize("name", READS)
def test_a_read_gives_up_in_the_end(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.script(name, *[refuse(503, "Down for maintenance")] * 3)
    with pytest.raises(Unreachable, match=r"busy \(HTTP 503: Down for maintenance\)"):
        READS[name](sign_in(quick(tries=3)), folder)
    assert kaggle_server.count(name) == 3
    kaggle_server.script(name, hang())
    with pytest.raises(Unreachable, match="check the network"):
        READS[name](sign_in(quick(tries=1, call=0.3)), folder)


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_a_call(kaggle_server: Server) -> None:
    kaggle_server.script("ListSubmissions", drip(0.1))
    with pytest.raises(Unreachable, match="TimeoutError"):
        sign_in(quick(tries=1, call=0.4)).submissions("toy")


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("form", ["nested", "flat", "empty", "broken"])
def test_a_read_that_is_refused_is_not_repeated(kaggle_server: Server, tmp_path: Path, name: str, form: str) -> None:
    folder = prepared(kaggle_server, tmp_path)
    for status in (400, 401, 403, 404):
        before = kaggle_server.count(name)
        kaggle_server.script(name, refuse(status, "The very reason.", form))
        if name == "GetDatasetStatus" and status in (403, 404):
            assert getattr(READS[name](sign_in(), folder), "state", "") == "missing"
        else:
            with pytest.raises(
                Refused, match="The very reason" if form in ("nested", "flat") else f"{status}|Unau|Forb|Not|Bad"
            ) as refused:
                READS[name](sign_in(), folder)
            assert refused.value.status == status
        assert kaggle_server.count(name) - before == 1


@pytest.mark.parametrize("name", [name for name in READS if name != "DownloadDataFiles"])
@pytest.mark.parametrize(
    "body", [{"code": 403, "message": "no"}, {"code": 403}, {"error": {"code": 403, "message": "no"}}, {"error": {}}]
)
def test_a_refusal_dressed_as_success_is_one(
    kaggle_server: Server, tmp_path: Path, name: str, body: dict[str, object]
) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.script(name, answer(body))
    if name == "GetDatasetStatus" and body != {"error": {}}:
        assert getattr(READS[name](sign_in(), folder), "state", "") == "missing"
        return
    with pytest.raises(Refused):
        READS[name](sign_in(), folder)
    assert kaggle_server.count(name) == 1


LOST: dict[str, tuple[Fault, int]] = {
    "done, then cut": (lose(), 1),
    "done, then 500": (lose(500), 1),
    "done, then 502": (lose(502), 1),
    "cut": (cut(), 0),
    "500": (refuse(500, "Internal error"), 0),
    "503 that claims to be JSON": (refuse(503, form="broken"), 0),
    "no JSON": (answer(b"<html>", "text/html"), 0),
    "an empty body": (answer(b""), 0),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("fault", LOST)
def test_a_write_whose_answer_is_lost_is_not_repeated(
    kaggle_server: Server, tmp_path: Path, name: str, fault: str
) -> None:
    folder, write, (played, made) = prepared(kaggle_server, tmp_path), WRITES[name], LOST[fault]
    kaggle_server.script(name, played)
    with pytest.raises(LostReply, match="may or may not have been done; look there"):
        write.call(sign_in(), folder)
    assert (kaggle_server.count(name), write.made(kaggle_server)) == (1, made)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_hangs_is_given_up(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    folder = prepared(kaggle_server, tmp_path)
    if name == "SaveKernel":
        sign_in().push_kernel(folder / "kernel", 60)  # the import is not what hangs
    before = kaggle_server.count(name)
    kaggle_server.script(name, hang())
    with pytest.raises(LostReply):
        WRITES[name].call(sign_in(quick(call=0.5)), folder)
    assert kaggle_server.count(name) - before == 1


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_refused_is_not_repeated(kaggle_server: Server, tmp_path: Path, name: str) -> None:
    folder, write = prepared(kaggle_server, tmp_path), WRITES[name]
    refusals = [
        refuse(status, "The very reason.", form) for status in (400, 401, 403, 404) for form in ("nested", "flat")
    ]
    refusals += [answer({"code": 400, "message": "The very reason."})]
    refusals += [answer({"error": {"code": 400, "message": "The very reason."}})]
    for refusal in refusals:
        kaggle_server.script(name, refusal)
        with pytest.raises(Refused, match="The very reason"):
            write.call(sign_in(), folder)
    kaggle_server.script(name, refuse(429, "Too many requests", retry_after="5"))
    with pytest.raises(Unreachable, match="run again later"):
        write.call(sign_in(), folder)
    assert (kaggle_server.count(name), write.made(kaggle_server)) == (len(refusals) + 1, 0)


def test_a_write_that_never_left_is_known_not_to_be_done(
    kaggle_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle = sign_in()
    kaggle.push_kernel(folder / "kernel", 60)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody listens there
    for write in ("CreateCodeSubmission", "SaveKernel"):
        with pytest.raises(Unreachable):
            WRITES[write].call(kaggle, folder)


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("Submission not allowed: Your team has used its daily Submission allowance (2) today, please try again "
         "tomorrow UTC.", "00:00 UTC"),
        ("Submission not allowed: Notebook is still running. Did not find provided Notebook Output File.", "complete"),
        ('Submission not allowed: Submission files must be named "submission.json" for this Competition.', "that name"),
        ("Submission not allowed: Your Notebook's runtime of 233 minutes exceeds this competition's GPU max of 120 "
         "minutes.", "visible run shorter"),
        ("Submission not allowed: This competition only accepts Submissions from Notebooks", "ffdi kernels push"),
        ("Submission not allowed: Submissions have been disabled for this competition.", "deadline"),
        ("You must accept this competition's rules before you can submit", "competitions/toy/rules"),
        ("Permission 'competitions.participate' was denied", "check the slug 'toy'"),
        ("Phone verification is required", "https://www.kaggle.com/settings"),
    ],
)  # fmt: skip
def test_a_known_refusal_says_what_helps(kaggle_server: Server, tmp_path: Path, reason: str, helps: str) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.script("CreateSubmission", refuse(400, reason))
    with pytest.raises(Refused, match=helps) as refused:
        sign_in().submit_file("toy", folder / "s.csv", "tag")
    assert refused.value.reason == reason
    assert reason.rstrip(".") in str(refused.value)


def test_a_spent_quota_and_a_closed_contest(kaggle_server: Server, tmp_path: Path) -> None:
    folder, kaggle = prepared(kaggle_server, tmp_path), sign_in()
    for _ in range(2):
        kaggle.submit_file("toy", folder / "s.csv", "tag")
    assert kaggle.limits("toy").allowed_now == 0
    with pytest.raises(Refused, match="00:00 UTC"):
        kaggle.submit_file("toy", folder / "s.csv", "tag")
    kaggle_server.state.competitions["toy"].code_only = True
    with pytest.raises(Refused, match="push a kernel"):
        kaggle.submit_file("toy", folder / "s.csv", "tag")
    assert len(kaggle_server.state.submissions) == 2


UPLOADS = {"CreateSubmission": "StartSubmissionUpload", "CreateDatasetVersion": "StartBlobUpload"}


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("fault", [cut(), stop(5), refuse(503), refuse(308), refuse(429), lose()])
def test_an_upload_that_breaks_is_made_anew_and_whole(
    kaggle_server: Server, tmp_path: Path, name: str, fault: Fault
) -> None:
    folder, write = prepared(kaggle_server, tmp_path), WRITES[name]
    kaggle_server.script("PUT", fault)
    write.call(sign_in(), folder)
    assert write.made(kaggle_server) == 1
    sent = {name: data for name, data in kaggle_server.state.blobs.values() if data}
    if name == "CreateSubmission":
        assert kaggle_server.state.submissions[0].data == b"id,y\na,0.5\n"
    else:
        newest = kaggle_server.state.datasets["tester/old-weights"].versions[-1]
        assert newest == sent == {"a.bin": b"\0" * 1000, "b.bin": b"\1" * 1000}


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("fault", [refuse(403, "expired"), cut(), hang(), stop(3)])
def test_an_upload_that_fails_leaves_nothing_behind(
    kaggle_server: Server, tmp_path: Path, name: str, fault: Fault
) -> None:
    """The client would go on, say "ok", and make a version without the file."""
    folder, write = prepared(kaggle_server, tmp_path), WRITES[name]
    kaggle_server.script("PUT", fault, fault)
    patience = quick(tries=2, call=0.5 if fault.kind == "hang" else 20.0)
    with pytest.raises(Refused if fault.status == 403 else Unreachable):
        write.call(sign_in(patience), folder)
    assert kaggle_server.count(name) == 0


def test_a_place_to_upload_to_that_is_none(kaggle_server: Server, tmp_path: Path) -> None:
    folder = prepared(kaggle_server, tmp_path)
    for body in ({}, {"token": "t"}, {"token": "t", "createUrl": "file:///etc/passwd"}):
        kaggle_server.script("StartSubmissionUpload", *[answer(body)] * 3)
        with pytest.raises(Unreachable, match="no place to upload"):
            sign_in().submit_file("toy", folder / "s.csv", "tag")
    assert kaggle_server.count("CreateSubmission") == 0


def test_a_version_that_lost_a_file_shows_in_the_list(kaggle_server: Server, tmp_path: Path) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.state.drop = {"b.bin"}
    kaggle = sign_in()
    kaggle.dataset_version(folder / "old-weights", "notes")
    assert kaggle.dataset_files("tester", "old-weights") == {"a.bin": 1000}


def test_a_dataset_that_is_not_made_although_all_is_well(kaggle_server: Server, tmp_path: Path) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.script("CreateDataset", answer({"status": "error", "error": "already in use by a dataset"}))
    with pytest.raises(Refused, match="make a new version of it"):
        sign_in().create_dataset(folder / "new-weights")
    kaggle_server.script("CreateDataset", answer({"url": "u"}))
    with pytest.raises(LostReply, match="neither yes nor no"):
        sign_in().create_dataset(folder / "new-weights")
    kaggle_server.script("GetDatasetStatus", *[refuse(500)] * 3)  # which the client takes for "does not exist"
    with pytest.raises(Unreachable):
        sign_in().create_dataset(folder / "new-weights")
    assert kaggle_server.count("CreateDataset") == 2


@pytest.mark.parametrize("fault", [stop(3), cut(), refuse(500), answer(b"", "text/html", 503)])
def test_an_output_that_breaks_off_is_fetched_to_its_end(kaggle_server: Server, tmp_path: Path, fault: Fault) -> None:
    folder = prepared(kaggle_server, tmp_path)
    kaggle_server.script("GET", fault)
    paths = sign_in().kernel_output("tester", "the-kernel", folder / "out")
    assert [path.name for path in paths] == ["submission.csv", "the-kernel.log"]
    assert paths[0].read_bytes() == b"id,y\n"


def test_retries_wait_as_long_as_kaggle_asks_and_no_longer_than_we_do(kaggle_server: Server) -> None:
    waits: list[float] = []
    patience = quick(tries=6)
    patience = type(patience)(tries=6, wait=1.0, longest=50.0, sleep=waits.append)
    dated = refuse(429, "slow down", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    faults = [
        refuse(429, retry_after="7"),
        refuse(503),
        dated,
        refuse(429, retry_after="9999"),
        refuse(429, retry_after="x"),
    ]
    kaggle_server.script("GetSubmissionLimits", *faults)
    sign_in(patience).limits("toy")
    assert waits[0] == 7.0
    assert 1.0 <= waits[1] <= 2.0
    assert 2.0 <= waits[2] <= 4.0  # the date is past
    assert waits[3] == 50.0
    assert 8.0 <= waits[4] <= 16.0


# The canary: a key that must not be seen in anything that is printed, logged, written or raised.

ECHO = f"bad credentials tester:{CANARY} Basic {base64.b64encode(f'tester:{CANARY}'.encode()).decode()} {quote(CANARY)}"
CRASHES = [refuse(401, ECHO), refuse(403, ECHO, "flat"), refuse(500, ECHO), refuse(404, ECHO, "page"), cut(),
           answer({"error": {"message": ECHO}}), answer(ECHO.encode(), "text/html")]  # fmt: skip


def forms() -> list[str]:
    inner = [base64.b64encode(b"\0" * shift + CANARY.encode()).decode()[4:-4] for shift in range(3)]
    half = len(CANARY) // 2
    return [CANARY, quote(CANARY, safe=""), CANARY[half:] + CANARY[:half], CANARY[::-1], *inner]


def everything_of(error: BaseException) -> str:
    """The traceback with every cause and context, suppressed ones too, and what their objects hold."""
    text, queue, seen = "".join(traceback.format_exception(error)), [error], set()
    while queue:
        one = queue.pop()
        seen.add(id(one))
        text += repr(one) + repr(one.args) + repr(vars(one))
        response = getattr(one, "response", None)
        if response is not None:
            text += repr(response.request.headers) + response.text
        queue += [more for more in (one.__cause__, one.__context__) if more is not None and id(more) not in seen]
    return text


def test_the_canary_is_nowhere_after_many_crashes(
    kaggle_server: Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """n: 14 calls x 7 faults, and the verb under each fault."""
    folder, texts, crashes = prepared(kaggle_server, tmp_path), [], 0
    calls = {**READS, **{name: write.call for name, write in WRITES.items()}}
    with caplog.at_level(logging.DEBUG):
        for name, call in calls.items():
            for number, fault in enumerate(CRASHES):
                kaggle_server._scripts.clear()
                kaggle_server.script(name, *[fault] * 3)
                where = folder / f"{name}{number}"
                with contextlib.suppress(FileExistsError):
                    where.mkdir()
                try:
                    call(sign_in(), where if name in READS else folder)
                except FfdiError as error:
                    crashes += 1
                    texts.append(everything_of(error))
        kaggle_server._scripts.clear()
        for fault in CRASHES:
            kaggle_server._scripts.clear()
            kaggle_server.script("DownloadDataFiles", *[fault] * 3)
            crashes += _verb(monkeypatch, folder)
    captured = capfd.readouterr()
    texts += [captured.out, captured.err, caplog.text]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "toy.zip"]  # as it was sent
    texts += [path.read_bytes().decode(errors="replace") for path in files]
    assert crashes >= 30
    assert "[hidden]" in captured.err
    assert [form for form in forms() for text in texts if form in text] == []


def _variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", CANARY)


def _file(name: str, text: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / ".kaggle").mkdir()
        (home / ".kaggle" / name).write_text(text)
        (home / ".kaggle" / name).chmod(0o600)

    return write


PLACES = {
    "KAGGLE_API_TOKEN": _variable,
    "~/.kaggle/access_token": _file("access_token", CANARY),
    ".kaggle/kaggle.json": _file("kaggle.json", json.dumps({"username": "tester", "key": CANARY})),
}


@pytest.mark.parametrize("place", PLACES)
def test_the_canary_is_nowhere_wherever_it_was_kept(
    kaggle_server: Server,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    folder = prepared(kaggle_server, tmp_path)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name)
    PLACES[place](Path.home(), monkeypatch)
    kaggle_server.token = CANARY
    texts = []
    for fault in CRASHES[:6]:
        kaggle_server.script("SaveKernel", fault)
        kaggle = sign_in()
        assert kaggle.source.endswith(place)
        with pytest.raises(FfdiError) as raised:
            kaggle.push_kernel(folder / "kernel", 60)
        texts.append(everything_of(raised.value))
    if "json" not in place:
        kaggle_server.script("IntrospectToken", refuse(401, ECHO))
        with pytest.raises(Refused) as refused:
            sign_in()
        texts.append(everything_of(refused.value))
    captured = capfd.readouterr()
    assert [form for form in forms() for text in [*texts, captured.out, captured.err] if form in text] == []


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
    assert sorted(path.name for path in (target / ".download").iterdir()) == [".lock", "files.parquet"]


def _verb(monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    arguments = ["ffdi", "download", "--competition", "toy", "--data", str(folder / "data")]
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        command.main()
    except SystemExit as ended:
        return int(bool(ended.code))
    return 0
