import errno
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from ffdi.cli import main as command
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission.client import sign_in
from ffdi.submission.download import checked_slug, download
from ffdi.submission.errors import Unreachable
from tests.fixtures.kaggle.api import Competition
from tests.fixtures.kaggle.fixture import quick
from tests.fixtures.kaggle.server import Server, cut, stop

FILES = {"phase1/labels.csv": b"id,y\n1,0\n", "phase1/train/1.jpg": b"\xff" * 5000, "readme.txt": b""}


@pytest.fixture
def kaggle(kaggle_server: Server) -> Server:
    kaggle_server.state.competitions["toy"].files = FILES
    return kaggle_server


def files_in(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".download" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_everything_is_fetched_unpacked_and_then_known(
    kaggle: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {name: len(data) for name, data in FILES.items()}
    assert download("toy", tmp_path / "toy", sign_in) == (sizes, True)
    assert kaggle.count("GET") == 1
    assert files_in(tmp_path / "toy") == FILES
    assert not list(tmp_path.rglob("*.zip*"))
    out = capsys.readouterr().out
    assert "download toy.zip: 1/1 MB" in out
    assert "unpack: 3/3 files" in out
    seen = len(kaggle.seen)
    assert download("toy", tmp_path / "toy", sign_in) == (sizes, False)
    assert len(kaggle.seen) == seen


def test_work_of_somebody_is_kept_and_named(kaggle: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "phase1").mkdir()
    (tmp_path / "phase1/labels.csv").write_bytes(b"id,y\n1,1\n")  # of the same length
    assert download("toy", tmp_path, sign_in)[1]
    assert files_in(tmp_path) == FILES | {"phase1/labels.csv": b"id,y\n1,1\n"}
    assert "1 files of toy.zip were there already with another content" in " ".join(capsys.readouterr().err.split())
    assert not download("toy", tmp_path, sign_in)[1]
    (tmp_path / "phase1/labels.csv").unlink()
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES


@pytest.fixture
def phases(kaggle: Server) -> tuple[str, ...]:
    """Competitions that share a folder: one file is in both, one of the same name has another content."""
    more = {
        "phase2/test/2.jpg": b"\xfe" * 3000,
        "phase1/labels.csv": FILES["phase1/labels.csv"],
        "readme.txt": b"other",
    }
    kaggle.state.competitions["toy-2"] = Competition("Second phase", files=more)
    return ("toy", "toy-2")


def test_competitions_that_share_a_folder(kaggle: Server, tmp_path: Path, phases: tuple[str, ...]) -> None:
    for fetched in (True, False):
        assert [download(slug, tmp_path, sign_in)[1] for slug in phases] == [fetched, fetched]
        assert kaggle.count("DownloadDataFiles") == 2
    assert files_in(tmp_path) == kaggle.state.competitions["toy-2"].files | FILES


def test_cuts_are_gone_on_with_from_the_byte_they_came_at(kaggle: Server, tmp_path: Path) -> None:
    kaggle.script("GET", stop(100), cut(), stop(50), cut(), cut())
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES
    assert "bytes=100-" in [one.headers.get("Range") for one in kaggle.seen if one.name == "GET"]


@pytest.mark.parametrize(
    ("etag", "more", "last"),
    [
        ('"archive-1"', {}, "bytes=200-"),
        ('"archive-2"', {"new.txt": b"new"}, None),  # newer content: the part is thrown away
        (None, {}, None),  # no mark: nobody can know what the part belongs to
    ],
)
def test_a_stop_is_gone_on_with_by_the_next_run(
    kaggle: Server, tmp_path: Path, etag: str | None, more: dict[str, bytes], last: str | None
) -> None:
    toy = kaggle.state.competitions["toy"]
    toy.etag = etag and '"archive-1"'
    kaggle.script("GET", stop(200), *[cut()] * 9)
    with pytest.raises(Unreachable):
        download("toy", tmp_path, lambda: sign_in(quick(tries=2)))
    [part] = (tmp_path / ".download").glob("toy.zip.*.part")
    assert part.stat().st_size in (0 if etag is None else 200, 200)
    kaggle.scripts.clear()
    toy.files, toy.etag = FILES | more, etag
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES | more
    assert [one.headers.get("Range") for one in kaggle.seen if one.name == "GET"][-1] == last


def page(archive: bytes) -> bytes:
    return b"<html>sign in</html>"


def flipped(archive: bytes) -> bytes:
    place = archive.index(b"phase1/train/1.jpg") + 30
    return archive[:place] + bytes([archive[place] ^ 0xFF]) + archive[place + 1 :]


def bomb(archive: bytes) -> bytes:
    """It lies about a size."""
    return archive.replace((5000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))


@pytest.mark.parametrize(("spoil", "size"), [(page, 0), (flipped, 5000), (bomb, 1000)])
def test_what_is_no_whole_archive_is_fetched_anew_by_the_next_run(
    kaggle: Server, tmp_path: Path, spoil: Callable[[bytes], bytes], size: int
) -> None:
    toy = kaggle.state.competitions["toy"]
    toy.archive = spoil(toy.packed())
    with pytest.raises(CorruptError, match=r"toy\.zip is no whole zip .* it was removed, run again"):
        download("toy", tmp_path, sign_in)
    assert list(files_in(tmp_path)) == ["phase1/labels.csv"] * (size > 0)
    assert sum(path.stat().st_size for path in (tmp_path / ".download").glob("unpacking")) <= size
    toy.archive, toy.etag = None, '"archive-2"'
    download("toy", tmp_path, sign_in)
    assert files_in(tmp_path) == FILES


def test_a_full_disk_is_said_and_the_next_run_goes_on(
    kaggle: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ffdi.submission.download.shutil.copyfileobj", full)
        with pytest.raises(UserError, match="No space left on device; make room"):
            download("toy", tmp_path, sign_in)
    download("toy", tmp_path, sign_in)
    assert (files_in(tmp_path), kaggle.count("DownloadDataFiles")) == (FILES, 1)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("https://www.kaggle.com/competitions/toy-1/", "did you mean toy-1"), ("a b", ""), ("", ""), ("../x", "mean x")],
)
def test_what_is_no_slug_is_refused(text: str, hint: str) -> None:
    with pytest.raises(UserError, match=rf"no competition's slug.*{hint}"):
        checked_slug(text)
    assert checked_slug("LANL-Earthquake-Prediction") == "LANL-Earthquake-Prediction"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ffdi", "download", "--recipe", "recipe.toml", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_the_verb(
    kaggle: Server,
    tmp_path: Path,
    phases: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It fetches every competition that the contest's TOML names, to where the recipe will look for them."""
    monkeypatch.chdir(tmp_path)
    shipped = (files("ffdi") / "competitions" / "multi-ffdi-phase2.toml").read_text()
    named = shipped.replace('slug = "multi-ffdi-phase2"', 'slug = "toy"').replace('["multi-ffdi"]', '["toy-2"]')
    (tmp_path / "toy.toml").write_text(named)
    recipe = 'name = "tiny"\ncompetition = "toy.toml"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n'
    (tmp_path / "recipe.toml").write_text(recipe)
    kaggle.state.competitions["toy-2"].entered = False
    assert run(monkeypatch) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "refuses to download the files of toy-2" in said
    assert "https://www.kaggle.com/competitions/toy-2/rules in a browser, accept them" in said
    kaggle.state.competitions["toy-2"].entered = True
    assert run(monkeypatch) == 0
    out = capsys.readouterr().out
    said = " ".join(out.replace("│", " ").split())
    assert "signed in as tester (KAGGLE_USERNAME and KAGGLE_KEY)" in said
    assert "toy all there 3" in said
    assert "toy-2 downloaded 3" in said
    assert (tmp_path / "data" / "toy" / "phase2" / "test" / "2.jpg").is_file()
    (tmp_path / "recipe.toml").write_text(recipe + '[data]\nfolder = "theirs"\n')
    assert run(monkeypatch, "--competition", "toy") == 0
    assert files_in(tmp_path / "theirs") == FILES


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/up.txt", "link/up.txt"])
def test_a_member_that_leads_outside_stops_everything(kaggle: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "link").symlink_to(tmp_path / "outside")
    kaggle.state.competitions["toy"].files = {"good.txt": b"good", name: b"bad"}
    with pytest.raises(UserError, match="leads outside"):
        download("toy", tmp_path / "toy", sign_in)
    assert list(files_in(tmp_path)) == []
