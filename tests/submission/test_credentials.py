import base64
import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from ffdi.core.errors import UserError
from ffdi.submission.credentials import find, redact

SECRET = "s3cret/token+with=odd&signs"
PAIR = {"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": SECRET}
KEY_FILE = json.dumps({"username": "someone", "key": SECRET})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any credential, and an environment without any."""
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("\ufeff", "\r\n"), (" ", " \t\n")], ids=["plain", "byte order mark", "spaces"]
)
@pytest.mark.parametrize(
    ("file", "environ", "source"),
    [
        (None, {"KAGGLE_API_TOKEN": SECRET}, "KAGGLE_API_TOKEN"),
        ("token.txt", {"KAGGLE_API_TOKEN": "token.txt"}, "KAGGLE_API_TOKEN"),
        (".kaggle/access_token", {}, "~/.kaggle/access_token"),
        (None, PAIR, "KAGGLE_USERNAME and KAGGLE_KEY"),
        (".kaggle/kaggle.json", {}, ".kaggle/kaggle.json"),
        ("elsewhere/kaggle.json", {"KAGGLE_CONFIG_DIR": "elsewhere"}, "elsewhere/kaggle.json"),
    ],
)
def test_every_source_is_found_and_cleaned(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str | None,
    environ: dict[str, str],
    source: str,
    before: str,
    after: str,
) -> None:
    monkeypatch.chdir(home)
    if file:
        write(home / file, before + (KEY_FILE if file.endswith("json") else SECRET) + after)
    given = {name: before + value + after if value == SECRET else value for name, value in environ.items()}
    found = find(given)
    assert (found.secret, found.user) == (SECRET, "" if "token" in source.lower() else "someone")
    assert found.source.endswith(source)
    assert SECRET not in repr(found)


def test_a_token_longer_than_the_name_of_a_file_is_no_file_and_a_file_of_a_token_is_only_the_owners(home: Path) -> None:
    assert find({"KAGGLE_API_TOKEN": "t" * 5000}).secret == "t" * 5000
    write(home / "token.txt", SECRET).chmod(0o644)
    with pytest.raises(UserError, match="can be read by others; type: chmod 600"):
        find({"KAGGLE_API_TOKEN": str(home / "token.txt")})


def test_quotes_that_a_file_of_variables_keeps_are_no_part_of_it(home: Path) -> None:
    """As docker run --env-file does."""
    assert find({"KAGGLE_USERNAME": '"someone"', "KAGGLE_KEY": f'"{SECRET}"'}).secret == SECRET


@pytest.mark.parametrize(("letter", "code"), [("…", "2026"), (" ", "0020"), ("\0", "0000")])
def test_a_letter_that_cannot_be_sent_is_refused(home: Path, letter: str, code: str) -> None:
    with pytest.raises(UserError, match=rf"KAGGLE_KEY holds a character that no credential has \(U\+{code}\)"):
        find(PAIR | {"KAGGLE_KEY": f"KGAT{letter}0123"})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, r"No Kaggle credential .*access_token.*KAGGLE_API_TOKEN.*KAGGLE_USERNAME.*kaggle\.json"),
        ({"KAGGLE_KEY": SECRET}, "No Kaggle credential .* KAGGLE_USERNAME and KAGGLE_KEY"),
        ({"KAGGLE_API_TOKEN": " "}, "KAGGLE_API_TOKEN is empty"),
        (PAIR | {"KAGGLE_API_TOKEN": SECRET}, "two credentials: KAGGLE_API_TOKEN and KAGGLE_USERNAME and KAGGLE_KEY"),
    ],
)
def test_an_environment_that_is_refused(home: Path, environ: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        find(environ)


def test_a_user_without_a_home_has_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container that runs under any number: Path.home() raises there."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(UserError, match="No Kaggle credential was found"):
        find({})


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda path: path.chmod(0o640), "can be read by others; type: chmod 600"),
        (lambda path: write(path, KEY_FILE[:-5]), "holds no credential that can be read; .* chmod 600"),
        (lambda path: write(path, '["' + SECRET + '"]'), "holds no credential"),
        (lambda path: write(path, KEY_FILE, "utf-16"), "holds no credential"),
    ],
    ids=["0640", "broken", "a list", "UTF-16"],
)
def test_a_file_that_is_refused_says_how_to_repair_it(home: Path, break_it: Callable[[Path], None], says: str) -> None:
    break_it(write(home / ".kaggle" / "kaggle.json", KEY_FILE))
    with pytest.raises(UserError, match=says) as refused:
        find({})
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert refused.value.__context__ is None  # the error of a reader carries the whole text


def test_a_secret_is_taken_out_of_texts_in_every_form(home: Path) -> None:
    find(PAIR)
    basic = base64.b64encode(f"someone:{SECRET}".encode()).decode()
    texts = [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), basic]
    for text in texts:
        shown = redact(f"before {text} after")
        assert "[hidden]" in shown
        assert (shown[:7], shown[-6:]) == ("before ", " after")
        assert len(shown) < len("before [hidden] after") + 8  # at most the letters that its neighbours share
    assert redact("a plain text of someone") == "a plain text of someone"


def test_the_signature_of_a_url_is_taken_out() -> None:
    shown = redact("GET https://storage.example/a.zip?X-Goog-Signature=abcdef&b=1 failed")
    assert shown == "GET https://storage.example/a.zip?[hidden] failed"
