import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from ffdi.cli import main as command
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, SpaceError, UserError
from ffdi.submission import transfer, unzip
from ffdi.submission.download import checked_slug, download
from ffdi.submission.kaggle import sign_in
from ffdi.submission.refusals import Refused, Unreachable
from tests.kaggle_server.faults import answer, cut, refuse, stop
from tests.kaggle_server.fixture import quick
from tests.kaggle_server.server import Server
from tests.kaggle_server.state import Competition

FILES = {"phase1/labels.csv": b"id,y\n1,0\n", "phase1/train/1.jpg": b"\xff" * 5000, "readme.txt": b""}


@pytest.fixture
def kaggle(kaggle_server: Server) -> Server:
    kaggle_server.state.competitions["toy"].files = FILES
    return kaggle_server


def files_in(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".download" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_everything_is_fetched_unpacked_and_then_known(kaggle: Server, tmp_path: Path) -> None:
    found = download("toy", tmp_path / "toy", sign_in)
    assert (found.files, found.size, found.fetched) == (3, 5009, True)
    assert files_in(tmp_path / "toy") == FILES
    assert not list(tmp_path.rglob("*.zip*"))
    seen = len(kaggle.seen)
    again = download("toy", tmp_path / "toy", sign_in)
    assert (again.files, again.size, again.fetched) == (3, 5009, False)
    assert len(kaggle.seen) == seen


def test_a_file_that_went_missing_comes_back_and_the_others_stay(kaggle: Server, tmp_path: Path) -> None:
    download("toy", tmp_path, sign_in)
    (tmp_path / "readme.txt").unlink()
    before = (tmp_path / "phase1/labels.csv").stat().st_mtime_ns
    assert download("toy", tmp_path, sign_in).fetched
    assert files_in(tmp_path) == FILES
    assert (tmp_path / "phase1/labels.csv").stat().st_mtime_ns == before


def test_work_of_somebody_is_not_overwritten(kaggle: Server, tmp_path: Path) -> None:
    (tmp_path / "phase1").mkdir()
    (tmp_path / "phase1/labels.csv").write_bytes(b"id,y\n1,1\n")  # same length
    with pytest.raises(UserError, match=r"labels\.csv is there with another content"):
        download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == {"phase1/labels.csv": b"id,y\n1,1\n"}
    (tmp_path / "phase1/labels.csv").unlink()
    download("toy", tmp_path, sign_in)
    assert kaggle.count("DownloadDataFiles") == 1  # the archive was kept
    assert files_in(tmp_path) == FILES


def test_a_folder_of_another_competition_is_refused(kaggle: Server, tmp_path: Path) -> None:
    download("toy", tmp_path, sign_in)
    with pytest.raises(UserError, match="holds the files of toy, not of other"):
        download("other", tmp_path, sign_in)


@pytest.fixture
def phases(kaggle: Server) -> list[str]:
    """Competitions that share a folder: one file is in both, one of the same name has another content."""
    more = {
        "phase2/test/2.jpg": b"\xfe" * 3000,
        "phase1/labels.csv": FILES["phase1/labels.csv"],
        "readme.txt": b"other",
    }
    kaggle.state.competitions["toy-2"] = Competition("Second phase", files=more)
    return ["toy", "toy-2"]


def test_competitions_that_share_a_folder(
    kaggle: Server, tmp_path: Path, phases: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for fetched, calls in ((True, 2), (False, 2)):
        for slug in phases:
            found = download(slug, tmp_path, sign_in, phases)
            assert (found.files, found.fetched) == (3, fetched)
        assert kaggle.count("DownloadDataFiles") == calls
    assert files_in(tmp_path) == kaggle.state.competitions["toy-2"].files | FILES
    warned = " ".join(capsys.readouterr().err.split())
    assert "toy-2.zip: 1 of its files are there from another competition with another content, such as readme" in warned

    (tmp_path / "readme.txt").unlink()  # which both count as theirs: the first brings its own back
    assert [download(slug, tmp_path, sign_in, phases).fetched for slug in phases] == [True, False]
    assert files_in(tmp_path)["readme.txt"] == b""
    with pytest.raises(UserError, match="holds the files of toy, not of toy-2"):
        download("toy-2", tmp_path, sign_in)


def test_a_folder_of_one_competition_takes_in_another(kaggle: Server, tmp_path: Path, phases: list[str]) -> None:
    """Its list of files was written by a kit that knew of one a folder."""
    download("toy", tmp_path, sign_in)
    path = tmp_path / ".download" / "files.parquet"
    checksum.write_table(path, checksum.read_table(path).drop(columns="slug"), {"slug": "toy"})
    assert [download(slug, tmp_path, sign_in, phases).fetched for slug in phases] == [False, True]
    assert files_in(tmp_path) == kaggle.state.competitions["toy-2"].files | FILES


def test_cuts_are_gone_on_with_from_the_byte_they_came_at(kaggle: Server, tmp_path: Path) -> None:
    size = len(kaggle.state.competitions["toy"].packed())
    kaggle.script("GET", stop(100), cut(), stop(50), cut())
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES
    ranges = [one.headers["Range"] for one in kaggle.seen if one.name == "GET" and "Range" in one.headers]
    assert "bytes=100-" in ranges
    assert size > 150


def test_a_stop_is_gone_on_with_by_the_next_run(kaggle: Server, tmp_path: Path) -> None:
    kaggle.script("GET", stop(200), *[cut()] * 9)
    with pytest.raises(Unreachable):
        download("toy", tmp_path, lambda: sign_in(quick(tries=2)))
    part = tmp_path / ".download" / "toy.zip.part"
    assert part.stat().st_size == 200
    kaggle._scripts.clear()
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES
    assert [one.headers.get("Range") for one in kaggle.seen if one.name == "GET"][-1] == "bytes=200-"


def test_a_part_of_older_content_is_thrown_away(kaggle: Server, tmp_path: Path) -> None:
    kaggle.script("GET", stop(200), *[cut()] * 9)
    with pytest.raises(Unreachable):
        download("toy", tmp_path, lambda: sign_in(quick(tries=2)))
    kaggle._scripts.clear()
    kaggle.state.competitions["toy"].files = FILES | {"new.txt": b"new"}
    kaggle.state.competitions["toy"].etag = '"archive-2"'
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES | {"new.txt": b"new"}


def test_without_a_mark_of_the_content_a_cut_begins_anew(kaggle: Server, tmp_path: Path) -> None:
    kaggle.state.competitions["toy"].etag = None
    kaggle.script("GET", stop(200))
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES
    assert not [one for one in kaggle.seen if "Range" in one.headers]


@pytest.mark.parametrize(
    ("refusal", "helps"),
    [
        (refuse(403, "You must accept this competition's rules"), "https://www.kaggle.com/competitions/toy/rules"),
        (refuse(403, "Please verify your phone number", "flat"), "verify your phone .*kaggle.com/settings"),
        (refuse(403, "Permission 'competitions.get' was denied"), "check the slug 'toy'"),
        (refuse(404, "", "empty"), "check the spelling"),
        (refuse(401, "Unauthenticated"), "make a new token or key"),
        (refuse(403, "no", "page"), "accept the rules at .*/competitions/toy/rules"),
    ],
)
def test_a_refusal_says_what_helps(kaggle: Server, tmp_path: Path, refusal: object, helps: str) -> None:
    kaggle.script("DownloadDataFiles", refusal)  # type: ignore[arg-type]
    with pytest.raises(Refused, match=helps):
        download("toy", tmp_path, sign_in)
    assert kaggle.count("DownloadDataFiles") == 1
    assert files_in(tmp_path) == {}


def test_what_is_no_archive_is_removed(kaggle: Server, tmp_path: Path) -> None:
    kaggle.script("GET", answer(b"<html>sign in</html>", "text/html"))
    with pytest.raises(CorruptError, match=r"no zip archive but a web page .* It was removed; run again"):
        download("toy", tmp_path, sign_in)
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES


def test_a_damaged_archive_is_fetched_anew_by_the_next_run(kaggle: Server, tmp_path: Path) -> None:
    data = bytearray(kaggle.state.competitions["toy"].packed())
    at = data.index(b"phase1/train/1.jpg") + 30
    data[at] ^= 0xFF
    kaggle.state.competitions["toy"].archive = bytes(data)
    with pytest.raises(CorruptError, match=r"is damaged at 'phase1/train/1\.jpg'"):
        download("toy", tmp_path, sign_in)
    assert list(files_in(tmp_path)) == ["phase1/labels.csv"]
    kaggle.state.competitions["toy"].archive = None
    kaggle.state.competitions["toy"].etag = '"archive-2"'
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES


@pytest.mark.parametrize("module", [transfer, unzip])
def test_a_full_disk_is_said_before_anything_is_written(
    kaggle: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    usage = type("Usage", (), {"free": 50})
    monkeypatch.setattr(f"{module.__name__}.shutil.disk_usage", lambda path: usage)  # type: ignore[attr-defined]
    with pytest.raises(SpaceError, match="50 are free"):
        download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["https://www.kaggle.com/competitions/toy-1/", "competitions/toy-1", "a b", "", "../x"]
)
def test_only_a_slug_is_a_slug(text: str) -> None:
    with pytest.raises(UserError, match="no competition's slug") as refused:
        checked_slug(text)
    assert ("did you mean toy-1?" in str(refused.value)) == ("toy-1" in text)


@pytest.mark.parametrize("slug", ["toy", "LANL-Earthquake-Prediction", "multi-ffdi-phase2"])
def test_slugs_of_every_age_are_slugs(slug: str) -> None:
    assert checked_slug(slug) == slug


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ffdi", "download", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_the_verb(
    kaggle: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text('name = "tiny"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n')
    recipe = ("--recipe", "recipe.toml")
    assert run(monkeypatch, *recipe, "--competition", "toy") == 0
    out = capsys.readouterr().out
    assert "signed in as tester (KAGGLE_USERNAME and KAGGLE_KEY)" in out
    assert "downloaded" in out
    assert files_in(tmp_path / "data" / "toy") == FILES
    assert run(monkeypatch, *recipe, "--competition", "toy") == 0
    assert "all there" in capsys.readouterr().out
    with (tmp_path / "recipe.toml").open("a") as file:
        file.write('[data]\nfolder = "theirs"\n')
    assert run(monkeypatch, *recipe, "--competition", "toy") == 0
    assert files_in(tmp_path / "theirs") == FILES  # where the recipe will look for them
    capsys.readouterr()
    assert not (tmp_path / "data" / "multi-ffdi-phase2").exists()
    assert run(monkeypatch, *recipe, "--data", "here") == 2  # the recipe's competition, which the imitation lacks
    assert "check the slug 'multi-ffdi-phase2'" in capsys.readouterr().err
    assert run(monkeypatch, *recipe, "--competition", "https://www.kaggle.com/competitions/toy") == 2
    assert "did you mean toy?" in capsys.readouterr().err


def test_each_competition_that_the_contest_names(
    kaggle: Server,
    tmp_path: Path,
    phases: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = (files("ffdi") / "competitions" / "multi-ffdi-phase2.toml").read_text()
    named = shipped.replace('slug = "multi-ffdi-phase2"', 'slug = "toy"').replace('["multi-ffdi"]', '["toy-2"]')
    (tmp_path / "toy.toml").write_text(named)
    (tmp_path / "recipe.toml").write_text(
        'name = "tiny"\ncompetition = "toy.toml"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n'
    )
    kaggle.state.competitions["toy-2"].entered = False
    assert run(monkeypatch, "--recipe", "recipe.toml") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "refuses to download the files of toy-2" in said
    assert "https://www.kaggle.com/competitions/toy-2/rules in a browser, accept them" in said
    kaggle.state.competitions["toy-2"].entered = True
    assert run(monkeypatch, "--recipe", "recipe.toml") == 0
    out = capsys.readouterr().out
    said = " ".join(out.replace("│", " ").split())
    assert "toy all there 3" in said
    assert "toy-2 downloaded 3" in said
    assert out.count("signed in as tester") == 1
    assert (tmp_path / "data" / "toy" / "phase2" / "test" / "2.jpg").is_file()


def test_an_archive_of_many_files_shows_progress(
    kaggle: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle.state.competitions["toy"].files = {"big.bin": bytes(range(256)) * 12_000}
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("big.bin", bytes(range(256)) * 12_000)
    kaggle.state.competitions["toy"].archive = (tmp_path / "plain.zip").read_bytes()
    download("toy", tmp_path / "toy", sign_in)
    out = capsys.readouterr().out
    assert "download toy: 4/4 MB" in out
    assert "unpack: 1/1 files" in out
