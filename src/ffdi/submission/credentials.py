"""Find the Kaggle credential, and keep it out of everything that is written or shown."""

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from ffdi.core.errors import UserError

SETTINGS_PAGE = "https://www.kaggle.com/settings"
MIN_SECRET_LENGTH = 6  # shorter ones are not looked for: they would hide parts of ordinary words
HIDDEN = "[hidden]"
SURROUNDING = "\ufeff \t\r\n\"'"  # what editors, and files of variables, leave around a credential
_SIGNED_URL = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")

Content = TypeVar("Content")
_seen: set[str] = set()  # the secrets that this process has read


@dataclass(frozen=True)
class Credential:
    """A token or a key. `source` can be shown, `secret` never; a token has no `user`, Kaggle is asked for it."""

    source: str
    user: str
    secret: str = field(repr=False)


def find(environ: Mapping[str, str] = os.environ) -> Credential:
    """Return the only credential there is.

    Raises:
        UserError: if there is none, more than one, or one that others can read or that cannot be sent.
    """
    found = [one for one in (_find_token(environ), _find_key(environ)) if one]
    if len(found) > 1:  # the official client would take the first silently, even if it is an expired one
        raise UserError(
            f"There are two credentials: {found[0].source} and {found[1].source}. Remove one: unset the variables, or "
            "move the file away."
        )
    if found:
        return found[0]
    raise UserError(
        f"No Kaggle credential was found. Make a token at {SETTINGS_PAGE} and save it in ~/.kaggle/access_token with "
        "mode 600. These work too: the variable KAGGLE_API_TOKEN, the variables KAGGLE_USERNAME and KAGGLE_KEY, or the "
        "file ~/.kaggle/kaggle.json."
    )


def redact(text: str) -> str:
    """Return `text` without any secret that was read, plain or encoded, and without the signatures of URLs."""
    for secret in sorted(_seen, key=len, reverse=True):
        for form in _encoded_forms(secret):
            text = text.replace(form, HIDDEN)
    return _SIGNED_URL.sub(r"\1?" + HIDDEN, text)


def _find_token(environ: Mapping[str, str]) -> Credential | None:
    given, saved = environ.get("KAGGLE_API_TOKEN"), Path(os.path.expanduser("~/.kaggle/access_token"))
    if given:  # as for the official client: the token itself, or the path of a file that holds it
        return _checked("KAGGLE_API_TOKEN", "", _read(Path(given), str) if os.path.isfile(given) else given)
    return _checked("~/.kaggle/access_token", "", _read(saved, str)) if saved.exists() else None


def _find_key(environ: Mapping[str, str]) -> Credential | None:
    user, key = environ.get("KAGGLE_USERNAME"), environ.get("KAGGLE_KEY")
    if user and key:
        return _checked("KAGGLE_USERNAME and KAGGLE_KEY", user, key)
    path = Path(environ.get("KAGGLE_CONFIG_DIR") or os.path.expanduser("~/.kaggle")) / "kaggle.json"
    return _checked(str(path), *_read(path, _user_and_key)) if path.exists() else None


def _user_and_key(text: str) -> tuple[str, str]:
    content = json.loads(text)
    return str(content["username"]), str(content["key"])


def _read(path: Path, parse: Callable[[str], Content]) -> Content:
    """Return what `parse` finds in a file that only its owner can read. Raise UserError saying how to repair it."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UserError(f"{path} can be read by others; type: chmod 600 {path}")
        return parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    # Raised outside of the handler: the error of a reader holds the whole text.
    raise UserError(
        f"{path} holds no credential that can be read; make it again at {SETTINGS_PAGE}, save it there, and type: "
        f"chmod 600 {path}"
    )


def _checked(source: str, user: str, secret: str) -> Credential:
    user, secret = user.strip(SURROUNDING), secret.strip(SURROUNDING)
    odd = next((letter for letter in user + secret if not "!" <= letter <= "~"), "")
    if odd or not secret:
        fault = f"holds a character that no credential has (U+{ord(odd):04X})" if odd else "is empty"
        raise UserError(f"{source} {fault}; copy the credential again from {SETTINGS_PAGE}.")
    _seen.update({secret, f"{user}:{secret}"})  # HTTP sends the base64 of the second
    return Credential(source, user, secret)


def _encoded_forms(secret: str) -> list[str]:
    """Return the secret as it is, URL-encoded, and in base64; without the end, which depends on what follows."""
    if len(secret) < MIN_SECRET_LENGTH:
        return []
    whole = len(secret.encode()) // 3 * 3
    return [secret, quote(secret, safe=""), base64.b64encode(secret.encode()[:whole]).decode()]
