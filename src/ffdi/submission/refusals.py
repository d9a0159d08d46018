"""What goes wrong at Kaggle's door, as three errors, each with the reason and the remedy.

Kaggle explains itself in one of two bodies, {"code", "message"} or {"error": {"code", "message", "status"}}; the client
reads the first alone, so that with the other its text is just "400 Client Error".
"""

import errno
import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from ffdi.core.errors import FfdiError, SpaceError, UserError
from ffdi.submission.credentials import redact

LONGEST = 600  # characters of a reason that are shown: an error page is not one sentence
BUSY = (408, 425, 429)  # and every 5xx: worth another try


class Refused(UserError):
    """Kaggle said no. `reason` is its own text, `status` the HTTP code (200 where it was dressed as success)."""

    def __init__(self, text: str, reason: str = "", status: int = 0) -> None:
        super().__init__(redact(text))
        self.reason, self.status = redact(reason), status


class LostReply(FfdiError):
    """A write whose answer never came: it may or may not have been done. Look first; never just repeat it."""

    def __init__(self, text: str) -> None:
        super().__init__(redact(text))


class Unreachable(FfdiError):
    """No usable answer, and nothing was changed. `wait`: seconds that Kaggle asked for, if it did."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(redact(text))
        self.wait = wait


# Texts of Kaggle as users quote them, and what to do; {slug} is the competition's. The first that matches counts.
_REMEDIES = (
    (r"accept.*rules|rules.*accept", "open https://www.kaggle.com/competitions/{slug}/rules in a browser, accept them"),
    (r"phone|verif(y|ied|ication)", "verify your phone number (and identity, if asked) at https://www.kaggle.com/settings"),
    (r"competitions\.(get|participate)",
     "check the slug {slug!r} (the last part of the competition's address), and join at "
     "https://www.kaggle.com/competitions/{slug}/rules"),
    (r"daily submission allowance", "the next ones are given at 00:00 UTC; come back then"),
    (r"still running|did not find provided notebook", "wait until that version is complete, or push it again"),
    (r"must be named", "write the file under exactly that name"),
    (r"runtime of .* exceeds", "make the visible run shorter too (fewer views or folds): it counts as well"),
    (r"only accepts submissions from notebooks", "push a kernel (ffdi kernels push) and submit its version"),
    (r"submissions have been disabled", "the competition is closed; check its deadline"),
    (r"batch gpu session count|maximum batch", "wait for a running GPU kernel to end, or stop it on the site"),
    (r"already in use by a dataset", "make a new version of it, or choose another title"),
    (r"quota|storage limit", "free some space on the site; GPU hours are renewed on Saturday, 00:00 UTC"),
    (r"kernel not found", "check owner and slug of the kernel, and that the account's phone number is verified"),
)  # fmt: skip
_BY_STATUS = {
    401: "make a new token or key at https://www.kaggle.com/settings and put it in place of the old one",
    403: "check owner and name, that it is yours or public, and that your phone number is verified at "
    "https://www.kaggle.com/settings",
    404: "check the spelling: owner and slug are the last parts of the page's address",
}
_OF_A_CONTEST = {
    403: "check the slug {slug!r}, accept the rules at https://www.kaggle.com/competitions/{slug}/rules, and verify "
    "your phone number at https://www.kaggle.com/settings",
}


def refusal(doing: str, status: int, reason: str, slug: str = "") -> Refused:
    """The sentence for a person: what was wanted, what Kaggle said to it, and what helps."""
    reason = " ".join(reason.split())[:LONGEST]
    helps = next((text for pattern, text in _REMEDIES if re.search(pattern, reason, re.IGNORECASE)), "")
    helps = helps or (_BY_STATUS | (_OF_A_CONTEST if slug else {})).get(status, "")
    remedy = f"; {helps.format(slug=slug or '<slug>')}" if helps else ""
    return Refused(f"Kaggle refuses to {doing}: {reason.rstrip('.') or f'HTTP {status}'}{remedy}.", reason, status)


def envelope(body: object) -> tuple[int, str] | None:
    """(code, message) of an answer that is an error in either form, whatever its HTTP status; None if it is not one."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    said = inner if isinstance(inner, Mapping) else body
    code = said.get("code")
    number = code if isinstance(code, int) else 0
    if said is body and number < 400:
        return None
    return number, str(said.get("message") or said.get("status") or "")


def explain(error: BaseException, doing: str, slug: str = "", write: bool = False) -> FfdiError:
    """The one of our errors that `error`, raised on the way to, at or back from Kaggle, amounts to."""
    import requests

    if isinstance(error, FfdiError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SpaceError(f"The disk is full, so that Kaggle could not {doing}; free some space and run again.")
    response = getattr(error, "response", None)
    if isinstance(error, requests.HTTPError) and response is not None:
        return _answered(response, doing, slug, write)
    if write and not _never_left(error):
        return LostReply(
            f"The answer was lost while asking Kaggle to {doing} ({_named(error)}): it may or may not have been done; "
            "look there before trying again."
        )
    return Unreachable(f"Kaggle cannot be reached to {doing} ({_named(error)}); check the network and run again.")


def _answered(response: Any, doing: str, slug: str, write: bool) -> FfdiError:
    code, reason = envelope(_json(response)) or (response.status_code, response.reason or "")
    status = code or response.status_code
    if status >= 500 and write:
        return LostReply(
            f"Kaggle failed (HTTP {status}: {_line(reason)}) while asked to {doing}: it may or may not have been done; "
            "look there before trying again."
        )
    if status >= 500 or status in BUSY:
        wait = _seconds(response.headers.get("Retry-After"))
        return Unreachable(
            f"Kaggle is busy (HTTP {status}: {_line(reason)}) and did not {doing}; run again later.", wait
        )
    return refusal(doing, status, reason, slug)


def _json(response: Any) -> object:
    try:
        return json.loads(response.text)
    except (ValueError, RuntimeError):  # no JSON; or a stream that was read already
        return None


def _line(reason: str) -> str:
    return " ".join(reason.split())[:LONGEST]


def _seconds(text: str | None) -> float | None:
    """Retry-After as seconds from now: a number or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except ValueError:
        return None


def _never_left(error: BaseException | None) -> bool:
    """No connection came about, so the server cannot have seen the request."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    seen: set[int] = set()
    queue = [error]
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, NewConnectionError | ConnectTimeoutError):
            return True
        queue += [one.__cause__, one.__context__, getattr(one, "reason", None)]
        queue += [part for part in getattr(one, "args", ()) if isinstance(part, BaseException)]
    return False


def _named(error: BaseException) -> str:
    """The kind of error alone: its text can hold addresses with signatures, and headers."""
    return type(error).__name__
