"""Hostile label tables: each repaired or refused as `data.tables` says, and nothing outside the folder is opened."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data.scan import scan
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg

HEAD = "img_name,target\n"
GOOD = "a.jpg,0\nb.jpg,1\n"
LINES = HEAD + GOOD

# name: (bytes or text of the table, "" if it is repaired to the good one or else a part of the message)
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "byte order mark": ("\ufeff" + LINES, ""),
    "CRLF": (LINES.replace("\n", "\r\n"), ""),
    "CR": (LINES.replace("\n", "\r"), ""),
    "blank lines at the end": (LINES + "\n\n\r\n", ""),
    "no line end at the end": (LINES.rstrip(), ""),
    "spaces around column names": (" img_name , target\n" + GOOD, ""),
    "extra column": ("img_name,target,note\na.jpg,0,x\nb.jpg,1,\n", ""),
    "float targets": (HEAD + "a.jpg,0.0\nb.jpg,1.0\n", ""),
    "quoted fields": ('"img_name","target"\n"a.jpg","0"\n"b.jpg","1"\n', ""),
    "UTF-16": (LINES.encode("utf-16"), "row 1: not UTF-8"),
    "UTF-16 without its mark": (LINES.encode("utf-16-le"), "no column 'img_name'"),
    "Latin-1": (HEAD.encode() + "ä.jpg,1\n".encode("latin-1"), "row 2: not UTF-8"),
    "parent folder": (HEAD + "../secret.jpg,1\n" + GOOD, "row 2: '../secret.jpg' is no plain path"),
    "parent folder in the middle": (LINES + "x/../../secret.jpg,1\n", "row 4: .* is no plain path"),
    "absolute path": (LINES + "/etc/passwd,1\n", "row 4: '/etc/passwd' is no plain path"),
    "Windows path": (LINES + "C:\\secret.jpg,1\n", "is a Windows path"),
    "home folder through a link": (LINES + "link/secret.jpg,1\n", ""),
    "NUL in an id": (LINES + "a\0.jpg,1\n", "row 4: .* control"),
    "newline in an id": (LINES + '"c\n.jpg",1\n', "row 4: .* control, direction or line break"),
    "escape sequence in an id": (LINES + "\x1b[2J.jpg,1\n", "row 4: .* control"),
    "right-to-left mark": (LINES + "\u202egpj.a,1\n", "row 4: .* direction"),
    "leading zeros": (HEAD + "1,0\n01,1\n", "Not one of the 2 images"),  # two ids, not one number
    "empty id": (LINES + ",1\n", "row 4: '' is empty"),
    "spaces around an id": (LINES + " c.jpg,1\n", "row 4: .* spaces around"),
    "id too long for a file": (LINES + "x" * 300 + ",1\n", ""),
    "twins of case": (LINES + "A.jpg,0\n", ""),
    "the same row twice": (LINES + "a.jpg,0\n", "'a.jpg' stands in rows 2 and 4"),
    "target 2": (LINES + "c.jpg,2\n", "row 4: '2' is no target"),
    "target in words": (LINES + "c.jpg,fake \n", "row 4: 'fake ' is no target"),
    "target NaN": (LINES + "c.jpg,NaN\n", "row 4: 'NaN' is no target"),
    "no target": (LINES + "c.jpg,\n", "row 4: '' is no target"),
    "missing field": (LINES + "c.jpg\n", "row 4: 1 fields, and the header has 2"),
    "open quote": (HEAD + '"a.jpg,0\nb.jpg,1\n', "row 2: unexpected end of data; close every quote"),
    "open quote in the header": ('"img_name,target\n' + GOOD, "row 1: unexpected end of data; close every quote"),
    "one field without an end": ("x" * 200_000, "row 1: field larger than field limit"),
    "missing column": ("img_name\na.jpg\nb.jpg\n", "no column 'target'"),
    "column twice": ("img_name,target,target\na.jpg,0,1\n", "2 columns named 'target'"),
    "semicolons": (LINES.replace(",", ";"), ""),
    "tabs": (LINES.replace(",", "\t"), ""),
    "colons": (LINES.replace(",", ":"), "no column 'img_name' .*found: 'img_name:target'"),
    "a pointer of Git LFS": (
        "version https://git-lfs.github.com/spec/v1\n",
        "is a pointer of Git LFS, not the table; run `git lfs pull`",
    ),
    "no header": (GOOD, "no column 'img_name'"),
    "empty file": ("", "is empty"),
    "header only": (HEAD, "a header and no rows"),
}
ALL = {"a.jpg": ("ok", ""), "b.jpg": ("ok", "")}
# Beyond the good rows: what the manifest then says.
ALSO = {
    "home folder through a link": {**ALL, "link/secret.jpg": ("quarantined", "outside")},
    "id too long for a file": {**ALL, "x" * 300: ("quarantined", "missing")},
    "twins of case": {**ALL, "A.jpg": ("quarantined", "missing")},
}


_OPENED: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _watched() -> Iterator[None]:
    """Note the names given to `open` in this process. An audit hook cannot be removed; at the end it does nothing."""
    watching = [True]
    sys.addaudithook(lambda event, given: _OPENED.append(str(given[0])) if watching and event == "open" else None)
    yield
    watching.clear()


@pytest.fixture
def contest(tmp_path: Path) -> Path:
    """A folder with two images, a secret beside it, and a link to the secret's folder inside it."""
    folder = contest_folder(tmp_path / "contest", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").write_bytes(jpeg(3))
    (tmp_path / "secret.jpg").write_bytes(jpeg(3))
    (folder / "train" / "link").symlink_to(tmp_path / "outside")
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_each_table_is_refused_or_repaired_and_nothing_outside_is_read(name: str, contest: Path) -> None:
    text, message = HOSTILE[name]
    (contest / "train.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    places = Workspace(contest.parent / "work", contest.parent / "submissions")
    _OPENED.clear()
    if message:
        with pytest.raises(UserError, match=message) as caught:
            scan(CONTEST, contest, places, workers=0)
        assert "train" in str(caught.value)
    else:
        made = scan(CONTEST, contest, places, workers=0)
        train = made[made["split"] == "train"].set_index("id")
        found = dict(zip(train.index, zip(train["status"], train["defect"], strict=True), strict=True))
        assert found == ALSO.get(name, ALL)
    assert any(str(contest) in path for path in _OPENED)
    assert not [path for path in _OPENED if "secret" in path or "passwd" in path]
    read = [path for path in _OPENED if path.startswith(str(contest.parent))]
    assert all(path.startswith((str(contest), str(places.work))) for path in read)
