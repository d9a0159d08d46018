import base64
import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from ffdi.core.errors import UserError
from ffdi.submission.credentials import find, redact, without_credentials

SECRET = "s3cret/token+with=odd&signs"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any credential, and an environment without any."""
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path


def write_key(home: Path, mode: int = 0o600, text: str = "") -> Path:
    path = home / ".kaggle" / "kaggle.json"
    path.write_text(text or json.dumps({"username": "someone", "key": SECRET}))
    path.chmod(mode)
    return path


def test_none_is_found_and_the_ways_are_named(home: Path) -> None:
    with pytest.raises(UserError, match=r"No Kaggle credential .*KAGGLE_API_TOKEN.*kaggle\.json.*KAGGLE_USERNAME"):
        find({})


def test_every_source_is_found(home: Path) -> None:
    pair = {"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": SECRET}
    found = [find({"KAGGLE_API_TOKEN": SECRET}), find(pair)]
    (home / "token").write_text(SECRET + "\n")
    (home / "token").chmod(0o600)
    found.append(find({"KAGGLE_API_TOKEN": str(home / "token")}))
    path = write_key(home)
    found.append(find({}))
    path.rename(home / "kaggle.json")
    found.append(find({"KAGGLE_CONFIG_DIR": str(home)}))
    (home / ".kaggle" / "access_token").write_text(SECRET)
    (home / ".kaggle" / "access_token").chmod(0o600)
    found.append(find({}))
    assert [one.secret for one in found] == [SECRET] * 6
    assert [one.kind for one in found] == ["token", "key", "token", "key", "key", "token"]
    assert [one.user for one in found] == ["", "someone", "", "someone", "someone", ""]
    assert found[-1].source == "~/.kaggle/access_token"
    assert SECRET not in repr(found)


def test_the_folder_of_the_desktop_is_looked_at_where_there_is_no_other(home: Path) -> None:
    path = write_key(home)
    (home / ".config").mkdir()
    path.parent.rename(home / ".config" / "kaggle")
    assert find({}).source == str(home / ".config" / "kaggle" / "kaggle.json")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_file_that_others_can_read_is_refused_with_the_fix(home: Path, mode: int) -> None:
    path = write_key(home, mode)
    with pytest.raises(UserError, match=rf"can be read by others; type: chmod 600 {path}"):
        find({})


def _foreign(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_key(home)
    monkeypatch.setattr(os, "getuid", lambda: 424242)


def _link(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_key(home)
    path.rename(home / "elsewhere.json")
    path.symlink_to(home / "elsewhere.json")


def _folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".kaggle" / "kaggle.json").mkdir()


def _broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_key(home, text='{"username": "someone", "key": "' + SECRET)


@pytest.mark.parametrize(
    ("spoil", "fix"),
    [
        (_foreign, "another user; type: sudo chown"),
        (_link, "is a link; put the file itself there"),
        (_folder, "is no file; remove it"),
        (_broken, "download it again .* chmod 600"),
    ],
)
def test_a_file_that_is_not_the_users_alone_is_refused_with_the_fix(
    home: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, pytest.MonkeyPatch], None], fix: str
) -> None:
    spoil(home, monkeypatch)
    with pytest.raises(UserError, match=fix) as refused:
        find({})
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert refused.value.__context__ is None  # the reader's own error carries the whole text


def test_two_credentials_are_refused(home: Path) -> None:
    write_key(home)
    with pytest.raises(UserError, match=r"Two credentials: KAGGLE_API_TOKEN and .*kaggle\.json"):
        find({"KAGGLE_API_TOKEN": SECRET})


@pytest.mark.parametrize("name", ["KAGGLE_TOKEN", "KAGGLE_COMPETITION", "KAGGLE_PATH"])
def test_a_variable_that_the_client_would_mistake_is_refused(home: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"unset {name}"):
        find({name: "x", "KAGGLE_API_TOKEN": SECRET})


def test_half_a_key_and_an_empty_token_are_refused(home: Path) -> None:
    with pytest.raises(UserError, match="KAGGLE_KEY is not set"):
        find({"KAGGLE_USERNAME": "someone"})
    with pytest.raises(UserError, match="KAGGLE_USERNAME is not set"):
        find({"KAGGLE_KEY": SECRET})
    with pytest.raises(UserError, match="is empty"):
        find({"KAGGLE_API_TOKEN": " "})
    (home / ".kaggle" / "credentials.json").write_text("{}")
    with pytest.raises(UserError, match="Only a browser sign-in"):
        find({})


def test_a_secret_is_taken_out_of_texts_in_every_form(home: Path) -> None:
    find({"KAGGLE_USERNAME": "someone", "KAGGLE_KEY": SECRET})
    basic = base64.b64encode(f"someone:{SECRET}".encode()).decode()
    texts = [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), basic]
    texts += [base64.urlsafe_b64encode(b"x" * shift + SECRET.encode() + b"y").decode() for shift in range(3)]
    for text in texts:
        shown = redact(f"before {text} after")
        assert "[hidden]" in shown
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert len(shown) < len("before [hidden] after") + 8  # at most the letters that its neighbours share
    assert redact("a plain text of someone") == "a plain text of someone"


def test_a_secret_of_the_environment_is_known_without_being_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "never-read-before")
    assert redact("key never-read-before") == "key [hidden]"


def test_the_signature_of_an_address_is_taken_out() -> None:
    shown = redact("GET https://storage.example/a.zip?X-Goog-Signature=abcdef&b=1 failed")
    assert shown == "GET https://storage.example/a.zip?[hidden] failed"


def test_a_child_gets_no_credential() -> None:
    kept = {"PATH": "/bin", "KAGGLE_KERNEL_RUN_TYPE": "Batch", "HOME": "/root"}
    secrets = ["API_TOKEN", "KEY", "USERNAME", "TOKEN", "CONFIG_DIR", "USER_SECRETS_TOKEN", "API_V1_TOKEN"]
    assert without_credentials(kept | {f"KAGGLE_{name}": SECRET for name in secrets}) == kept
