"""Every spoiled submission is stopped with a sentence that names the fault. The good one passes."""

import gzip
import io
import zipfile
from collections.abc import Callable

import pandas as pd
import pytest

from ffdi.config.load import load_competition
from ffdi.core.digest import of_bytes
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.submission.check import check_bytes, render

COMPETITION = load_competition("multi-ffdi-phase2")
IDS = [of_bytes(str(i).encode())[:32] + ".jpg" for i in range(200)]
SCORE = rng("spoiled").random(200)
GOOD = render(pd.DataFrame({"img_name": pd.Series(IDS, dtype="str"), "y_pred": SCORE}), COMPETITION)
REFERENCE = pd.Series(SCORE + 0.2 * rng("reference").normal(size=200), index=IDS)
LINES = GOOD.decode().splitlines()


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def swap(place: int, line: str) -> bytes:
    return text([*LINES[:place], line, *LINES[place + 1 :]])


def number(place: int, written: str) -> bytes:
    return swap(place, f"{LINES[place].split(',')[0]},{written}")


def renamed(place: int, name: str) -> bytes:
    return swap(place, f"{name},{LINES[place].split(',')[1]}")


def every(change: Callable[[str, str], str]) -> bytes:
    return text([LINES[0], *[change(*line.split(",")) for line in LINES[1:]]])


def head(line: str) -> bytes:
    return text([line, *LINES[1:]])


def zipped() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("submission.csv", GOOD)
    return memory.getvalue()


FIRST, UPPER = IDS[0], IDS[7].upper()
SPOILED: dict[str, tuple[bytes, str]] = {
    # rows and ids
    "last row missing": (text(LINES[:-1]), "1 of 200 ids are missing"),
    "a row doubled": (text([*LINES, LINES[5]]), "row 202: the id .* came before"),
    "all rows twice": (text([*LINES, *LINES[1:]]), "row 202: the id .* came before"),
    "an extra row": (text([*LINES, "0" * 32 + ".jpg,0.5"]), "not the competition's"),
    "an id in capitals": (renamed(8, UPPER), "not the competition's"),
    "an id without its ending": (renamed(3, IDS[2][:-4]), "1 are missing"),
    "an id with a space before": (renamed(3, " " + IDS[2]), "not the competition's"),
    "an id with its folder": (renamed(3, "testset1_seen/" + IDS[2]), "not the competition's"),
    "an empty id": (renamed(3, ""), "not the competition's"),
    "ids of another split": (every(lambda name, y: f"{of_bytes(name.encode())[:32]}.jpg,{y}"), "200 are missing"),
    "columns exchanged": (every(lambda name, y: f"{y},{name}"), "not the competition's"),
    # numbers
    "NaN": (number(20, "nan"), "row 21 .* no finite number"),
    "NaN as pandas writes it": (number(20, ""), "no finite number"),
    "a number too large to hold": (number(20, "1e999"), "outside 0 to 1"),
    "a hair below zero": (number(20, "-1e-9"), "outside 0 to 1"),
    "logits": (every(lambda name, y: f"{name},{8 * float(y) - 4!r}"), "outside 0 to 1"),
    "a word": (number(20, "fake"), "no finite number"),
    "a hexadecimal number": (number(20, "0x1p-1"), "no finite number"),
    "an underscore": (number(20, "0.1_2"), "no finite number"),
    "Arabic digits": (number(20, "٠.٥"), "no finite number"),
    "a space before the number": (number(20, " 0.5"), "no finite number"),
    "comma decimals": (every(lambda name, y: f"{name},{y.replace('.', ',')}"), "row 2: Expected 2 columns, got 3"),
    "comma decimals in quotes": (every(lambda name, y: f'{name},"{y.replace(".", ",")}"'), "no finite number"),
    "one constant": (every(lambda name, y: f"{name},0.5"), "every prediction is 0.5"),
    "all zero": (every(lambda name, y: f"{name},0"), "every prediction is 0.0"),
    "classes": (every(lambda name, y: f"{name},{int(float(y) > 0.5)}"), "send scores, not classes"),
    "labels exchanged": (every(lambda name, y: f"{name},{1 - float(y)!r}"), "exchanged"),
    # the file
    "0 bytes": (b"", "the header is ''"),
    "header alone": (text(LINES[:1]), "no rows"),
    "without a header": (text(LINES[1:]), "the header is"),
    "a wrong header": (head("img_name,target"), "the header is"),
    "a header with a space": (head("img_name, y_pred"), "the header is"),
    "an index column": (text(["," + LINES[0], *[f"{i},{line}" for i, line in enumerate(LINES[1:])]]), "no index"),
    "semicolons": (GOOD.replace(b",", b";"), "the header is"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "a byte order mark; remove it"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "NUL"),
    "Latin-1": (renamed(3, "ü.jpg").decode().encode("latin-1"), "not UTF-8"),
    "CRLF": (GOOD.replace(b"\n", b"\r\n"), "CR line ends"),
    "every row in quotes": (every(lambda name, y: f'"{name},{y}"'), "row 2: Expected 2 columns, got 1"),
    "a quote left open": (renamed(3, '"' + IDS[2]), "row 4: Expected 2 columns"),
    "a blank line": (text([*LINES[:30], "", *LINES[30:]]), "'' in row 31"),
    "cut off in the last number": (GOOD[:-4], "cut off"),
    "a NUL byte": (GOOD.replace(b".jpg", b".j\0g", 1), "NUL"),
    "gzip": (gzip.compress(GOOD), "NUL|UTF-8"),
    "zip": (zipped(), "NUL|UTF-8"),
    "an error page": (b"<html><body>403 Forbidden</body></html>\n", "the header is"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILED)
def test_stopped_by_name(kind: str) -> None:
    data, words = SPOILED[kind]
    with pytest.raises(UserError, match=words) as caught:
        check_bytes(data, "submission.csv", COMPETITION, IDS, REFERENCE)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("submission.csv")
    assert len(str(caught.value)) < 400


def test_the_good_one_is_accepted() -> None:
    found = check_bytes(GOOD, "submission.csv", COMPETITION, IDS, REFERENCE)
    assert (found["img_name"].tolist(), found["y_pred"].tolist()) == (IDS, SCORE.tolist())


def test_the_good_one_in_quotes_is_accepted() -> None:
    """As R writes it: Kaggle reads CSV, where quotes mean nothing."""
    quoted = every(lambda name, y: f'"{name}","{y}"').replace(b"img_name,y_pred", b'"img_name","y_pred"', 1)
    found = check_bytes(quoted, "submission.csv", COMPETITION, IDS, REFERENCE)
    assert (found["img_name"].tolist(), found["y_pred"].tolist()) == (IDS, SCORE.tolist())
