"""Archives that mean harm, and the ones that do not."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from ffdi.core.errors import CorruptError, SpaceError, UserError
from ffdi.submission import unzip
from ffdi.submission.unzip import unpack


def archive(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            made.writestr(name, data)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def with_nul() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("aXb.txt")
    info.filename = info.orig_filename = "a\0b.txt"
    return info


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "target").mkdir()
    return tmp_path / "scratch"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../up.txt", "leads upwards"),
        ("a/../../up.txt", "leads upwards"),
        ("/etc/passwd", "absolute"),
        ("C:/windows.txt", "absolute"),
        ("a\\..\\up.txt", "another system"),
        ("a\nb.txt", "control characters"),
        (special("link", stat.S_IFLNK), "a link or a device"),
        (special("pipe", stat.S_IFIFO), "a link or a device"),
        (with_nul(), "NUL"),
    ],
)
def test_a_member_without_a_place_stops_everything(
    tmp_path: Path, scratch: Path, name: str | zipfile.ZipInfo, says: str
) -> None:
    path = archive(tmp_path / "a.zip", ("good.txt", b"good"), (name, b"/etc/passwd"))
    with pytest.raises(UserError, match=says):
        unpack(path, tmp_path / "target", scratch)
    assert list((tmp_path / "target").iterdir()) == []
    assert not (tmp_path / "up.txt").exists()


def test_collisions_stop_everything(tmp_path: Path, scratch: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(tmp_path / "a.zip", ("x.txt", b"1"), ("x.txt", b"2"))
    with pytest.raises(UserError, match="twice"):
        unpack(twice, tmp_path / "target", scratch)
    both = archive(tmp_path / "b.zip", ("x", b"1"), ("x/y", b"2"))
    with pytest.raises(UserError, match="as a file and as a folder"):
        unpack(both, tmp_path / "target", scratch)
    assert list((tmp_path / "target").iterdir()) == []


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "target" / "images").symlink_to(tmp_path / "outside")
    path = archive(tmp_path / "a.zip", ("images/1.jpg", b"1"))
    with pytest.raises(UserError, match="leads outside"):
        unpack(path, tmp_path / "target", scratch)
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "target" / "1.jpg").symlink_to(tmp_path / "outside" / "1.jpg")
    with pytest.raises(UserError, match="another content"):
        unpack(archive(tmp_path / "b.zip", ("1.jpg", b"1")), tmp_path / "target", scratch)
    assert list((tmp_path / "outside").iterdir()) == []


def test_names_that_differ_in_case_are_two_files(tmp_path: Path, scratch: Path) -> None:
    """Ids of images are often random letters."""
    path = archive(tmp_path / "a.zip", ("folder/", b""), ("folder/Ab.jpg", b"1"), ("folder/aB.jpg", b"22"))
    assert [one.size for one in unpack(path, tmp_path / "target", scratch)] == [1, 2]
    assert sorted(one.name for one in (tmp_path / "target" / "folder").iterdir()) == ["Ab.jpg", "aB.jpg"]


def test_a_bomb_beyond_the_disk_is_refused(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip", *[(f"{n}.bin", bytes(1_000_000)) for n in range(8)])
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(
        unzip.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": unzip.MIN_FREE + 7_999_999})
    )
    with pytest.raises(SpaceError, match="8,000,000 bytes"):
        unpack(path, tmp_path / "target", scratch)
    assert list((tmp_path / "target").iterdir()) == []


def test_a_bomb_that_lies_about_its_size_writes_no_more_than_it_said(tmp_path: Path, scratch: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.bin", bytes(5_000_000))
    data = buffer.getvalue().replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(CorruptError, match=r"damaged at 'bomb\.bin'"):
        unpack(tmp_path / "a.zip", tmp_path / "target", scratch)
    assert list((tmp_path / "target").iterdir()) == []
    assert (scratch / "unpacking").stat().st_size <= 1000


def test_an_encrypted_member_and_a_torn_archive_are_refused(tmp_path: Path, scratch: Path) -> None:
    path = archive(tmp_path / "a.zip", ("x.txt", b"1"))
    data = bytearray(path.read_bytes())
    torn, central = bytes(data[:-10]), data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="encrypted"):
        unpack(path, tmp_path / "target", scratch)
    path.write_bytes(torn)
    with pytest.raises(CorruptError, match="no zip archive"):
        unpack(path, tmp_path / "target", scratch)
