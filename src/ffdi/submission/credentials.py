"""The one credential that is used, read when it is needed, and kept out of everything that is written or shown.

The client takes the first of several and says nothing of the others: with an old token and a good key it sends the
token. So a second one, a file that others can read, and a variable it would mistake for one, are refused.
"""

import base64
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from ffdi.core.errors import UserError

STRAY = ("KAGGLE_TOKEN", "KAGGLE_COMPETITION", "KAGGLE_PATH")  # the client takes KAGGLE_X for its setting x
SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_KEY", "KAGGLE_TOKEN", "KAGGLE_USER_SECRETS_TOKEN", "KAGGLE_DATA_PROXY_TOKEN",
           "KAGGLE_IAP_TOKEN")  # fmt: skip
LEADING = ("KAGGLE_USERNAME", "KAGGLE_CONFIG_DIR", "KAGGLE_API_V1_TOKEN")  # no secrets; they lead to one
SHORTEST = 6  # characters of a secret that is looked for in texts
HIDDEN = "[hidden]"
_SIGNED = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")

_seen: set[str] = set()  # what this process has read, so that it can be taken out of any text


@dataclass(frozen=True)
class Credential:
    """`source` can be shown, `secret` never. A token names no user: Kaggle is asked for it."""

    source: str
    kind: Literal["token", "key"]
    user: str
    secret: str = field(repr=False)


def find(environ: Mapping[str, str] = os.environ) -> Credential:
    """The credential in force. Raises UserError with what to type if there is none, more than one, or one in danger."""
    for name in STRAY:
        if environ.get(name):
            raise UserError(f"{name} is set, and Kaggle's client would take it for a setting; type: unset {name}")
    found = [one for one in (_token(environ), _key(environ)) if one]
    if len(found) > 1:
        raise UserError(
            f"Two credentials: {found[0].source} and {found[1].source}; Kaggle's client may send the wrong one. "
            "Remove one: unset the variables, or move the file away."
        )
    if found:
        return found[0]
    if (Path.home() / ".kaggle" / "credentials.json").exists():
        raise UserError(
            "Only a browser sign-in (~/.kaggle/credentials.json) was found, which the client renews too late; make a "
            "token at https://www.kaggle.com/settings and type: export KAGGLE_API_TOKEN=…"
        )
    raise UserError(
        "No Kaggle credential was found. Make a token at https://www.kaggle.com/settings and type: export "
        "KAGGLE_API_TOKEN=…  (or save it in ~/.kaggle/access_token, or a key in ~/.kaggle/kaggle.json, with mode 600; "
        "or set KAGGLE_USERNAME and KAGGLE_KEY)."
    )


def redact(text: str) -> str:
    """`text` without any secret that the environment holds or this process has read, plain or encoded, and without the
    signatures of addresses."""
    known = _seen | {os.environ[name] for name in SECRETS if os.environ.get(name)}
    for secret in sorted(known, key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, HIDDEN)
    return _SIGNED.sub(r"\1?" + HIDDEN, text)


def without_credentials(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a child process that has no business with Kaggle."""
    return {name: value for name, value in environ.items() if name not in SECRETS + LEADING}


def _token(environ: Mapping[str, str]) -> Credential | None:
    given = environ.get("KAGGLE_API_TOKEN")
    if given and _is_file(given):
        return _remembered("the file that KAGGLE_API_TOKEN names", "token", "", _read(Path(given)).strip())
    if given:
        return _remembered("KAGGLE_API_TOKEN", "token", "", given.strip())
    for name in ("access_token", "access_token.txt"):
        path = Path.home() / ".kaggle" / name
        if os.path.lexists(path):
            return _remembered(f"~/.kaggle/{name}", "token", "", _read(path).strip())
    return None


def _key(environ: Mapping[str, str]) -> Credential | None:
    user, key = environ.get("KAGGLE_USERNAME"), environ.get("KAGGLE_KEY")
    if user and key:
        return _remembered("KAGGLE_USERNAME and KAGGLE_KEY", "key", user, key)
    if key or user:
        lacking = "KAGGLE_USERNAME" if key else "KAGGLE_KEY"
        raise UserError(f"{lacking} is not set although its partner is; set both, or unset both.")
    path = _folder(environ) / "kaggle.json"
    if not os.path.lexists(path):
        return None
    text = _read(path)
    try:
        content = json.loads(text)
        user, key = content["username"], content["key"]
    except (ValueError, KeyError, TypeError):
        user = key = None
    if not (isinstance(user, str) and isinstance(key, str) and user and key):
        # Raised outside of the handler: the error of the JSON reader carries the whole text.
        raise UserError(
            f'{path} is not the {{"username": …, "key": …}} that Kaggle hands out; download it again from '
            f"https://www.kaggle.com/settings and type: chmod 600 {path}"
        )
    return _remembered(str(path), "key", user, key)


def _folder(environ: Mapping[str, str]) -> Path:
    """Where the client looks for kaggle.json."""
    if given := environ.get("KAGGLE_CONFIG_DIR"):
        return Path(given)
    usual = Path.home() / ".kaggle"
    if usual.exists():
        return usual
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"


def _is_file(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # a token is no path: too long, or odd characters
        return False


def _read(path: Path) -> str:
    """The text of a file that is the user's alone. Raises UserError with the fix to type."""
    if path.is_symlink():
        raise UserError(
            f"{path} is a link; put the file itself there: cp --remove-destination $(readlink {path}) {path}"
        )
    if not path.is_file():
        raise UserError(f"{path} is no file; remove it and put the credential there, then type: chmod 600 {path}")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(descriptor, encoding="utf-8") as file:
            facts = os.fstat(descriptor)
            if facts.st_uid != os.getuid():
                raise UserError(f"{path} belongs to another user; type: sudo chown $(id -u) {path}")
            if stat.S_IMODE(facts.st_mode) & 0o077:
                raise UserError(f"{path} can be read by others; type: chmod 600 {path}")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
    raise UserError(f"Cannot read {path} ({kind}); put the credential there again and type: chmod 600 {path}")


def _remembered(source: str, kind: Literal["token", "key"], user: str, secret: str) -> Credential:
    if not secret:
        raise UserError(f"{source} is empty; put the credential there, or remove it.")
    _seen.add(secret)
    if kind == "key":
        _seen.add(f"{user}:{secret}")  # its base64 is what goes over the wire
    return Credential(source, kind, user, secret)


def _forms(secret: str) -> Iterator[str]:
    """The ways a secret stands in a text: as it is, URL-encoded, and base64 at each of the three offsets."""
    if len(secret) < SHORTEST:
        return
    yield secret
    yield quote(secret, safe="")
    data = secret.encode()
    for shift in range(3):
        # The first and last characters depend on the neighbours of the secret: left out.
        start, end = -(-shift * 8 // 6), (shift + len(data)) * 8 // 6
        inner = base64.b64encode(b"\0" * shift + data).decode()[start:end]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
