"""The three ways in which a call to Kaggle fails, each with its reason and what helps.

Kaggle explains a refusal as {"code", "message"} or as {"error": {"code", "message", "status"}}. The official client
reads only the first form, so both are read here.
"""

import errno
import json
import re
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, TypeVar

from ffdi.core.errors import FfdiError, SpaceError, UserError
from ffdi.submission.credentials import redact

MAX_REASON = 600  # characters of a reason that are shown: some answers are whole web pages
BUSY = (408, 425, 429)  # as every 5xx: worth another try
Result = TypeVar("Result")


class KaggleError(FfdiError):
    """A failed call. No secret is in what it holds."""

    def __init__(self, text: str, reason: str = "", status: int = 0, wait: float = 0.0) -> None:
        super().__init__(redact(text))
        self.reason, self.status, self.wait = redact(reason), status, wait


class Refused(KaggleError, UserError):
    """Kaggle said no. `reason` is its own text, `status` the HTTP code (200 where the answer looked like success)."""

    @property
    def missing(self) -> bool:
        """Return whether there is no such thing, or none that this user may see: Kaggle answers alike."""
        return self.status in (403, 404)


class LostReply(KaggleError):
    """A write without an answer: it may have been done. Look first; never repeat it blindly."""


class Unreachable(KaggleError):
    """No usable answer, and nothing was changed. `wait`: seconds that Kaggle asked for, if it did."""


_FORBIDDEN_COMPETITION = (
    "check the slug {slug!r} (the last part of its address), accept the rules at "
    "https://www.kaggle.com/competitions/{slug}/rules, and verify your phone number at https://www.kaggle.com/settings"
)
# Kaggle's texts as users quote them, and what helps. {slug} is the competition. The first match counts.
_REMEDIES = (
    (r"accept.*rules|rules.*accept", "open https://www.kaggle.com/competitions/{slug}/rules in a browser, accept them"),
    (r"phone|verif(y|ied|ication)", "verify your phone number (and identity, if asked) at https://www.kaggle.com/settings"),
    (r"daily submission allowance", "the next ones are given at 00:00 UTC; come back then"),
    (r"still running|did not find provided notebook", "wait until that version is complete, or push it again"),
    (r"must be named", "the kit sends submission.csv alone; submit under that name on the site"),
    (r"runtime of .* exceeds", "make the visible run shorter too (fewer TTA views or folds): it counts as well"),
    (r"only accepts submissions from notebooks", "push a kernel (ffdi kernels push) and submit its version"),
    (r"submissions have been disabled", "the competition is closed; check its deadline"),
    (r"batch gpu session count|maximum batch", "wait for a running GPU kernel to end, or stop it on the site"),
    (r"already in use by a dataset", "run the same command again; if that does not help, rename the packed folder"),
    (r"quota|storage limit", "free some space on the site; GPU hours are renewed on Saturday, 00:00 UTC"),
    (r"kernel not found", "check owner and slug of the kernel, and that the account's phone number is verified"),
)  # fmt: skip
_BY_STATUS = {
    401: "make a new token or key at https://www.kaggle.com/settings and put it in place of the old one",
    403: "check owner and name, that it is yours or public, and that your phone number is verified at "
    "https://www.kaggle.com/settings",
    404: "check the spelling: owner and slug are the last parts of the page's address",
}


def refusal(doing: str, status: int, reason: str, slug: str = "") -> Refused:
    """Return the error that says what was wanted, what Kaggle answered and what helps.

    Args:
        doing: completes "Kaggle refuses to …".
        status: the HTTP code.
        reason: Kaggle's own text.
        slug: the competition that the call was about, if any.
    """
    reason = _one_line(reason)
    helps = next((text for pattern, text in _REMEDIES if re.search(pattern, reason, re.IGNORECASE)), "")
    helps = helps or (_FORBIDDEN_COMPETITION if slug and status == 403 else _BY_STATUS.get(status, ""))
    remedy = f"; {helps.format(slug=slug or '<slug>')}" if helps else ""
    return Refused(f"Kaggle refuses to {doing}: {reason.rstrip('.') or f'HTTP {status}'}{remedy}.", reason, status)


def error_in(body: object) -> tuple[int, str] | None:
    """Return (code, message) of an answer that holds an error in either form, whatever its HTTP status; else None."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    said = inner if isinstance(inner, Mapping) else body
    code = said.get("code")
    number = code if isinstance(code, int) else 0
    if said is body and number < 400:
        return None
    return number, str(said.get("message") or said.get("status") or "")


def explained(act: Callable[[], Result], doing: str, slug: str = "", write: bool = False) -> Result:
    """Return what `act` returns. Raise what `explain` makes of its error.

    Args:
        act: asks something of Kaggle.
        doing, slug, write: as of `explain`.
    """
    try:
        return act()
    except Exception as raised:
        error = explain(raised, doing, slug, write)
    raise error  # outside of the handler: its context would hold headers, and with them the credential


def explain(error: BaseException, doing: str, slug: str = "", write: bool = False) -> FfdiError:
    """Return the error of ours that says what `error`, raised by a call to Kaggle, amounts to.

    Args:
        error: what the call raised.
        doing: what was asked of Kaggle, as in `refusal`.
        slug: the competition that the call was about, if any.
        write: whether the call changes something: without an answer it is then a LostReply.
    """
    import requests
    import urllib3

    if isinstance(error, FfdiError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SpaceError(f"The disk is full, so that Kaggle could not {doing}; free some space and run again.")
    kind = type(error).__name__  # its text may hold URLs with signatures, and headers
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _from_response(error.response, doing, slug, write)
    if isinstance(error, OSError) and error.filename:
        return UserError(f"{error.filename}: {error.strerror}, while asking Kaggle to {doing}; make it readable.")
    network = isinstance(error, OSError | urllib3.exceptions.HTTPError | HTTPException)
    if not (network or isinstance(error, json.JSONDecodeError) or type(error) is ValueError):
        return FfdiError(f"An unexpected {kind} while asking Kaggle to {doing}; please report it.")
    if write:
        return LostReply(
            f"The answer was lost while asking Kaggle to {doing} ({kind}): it may or may not have been done; look "
            "there before trying again."
        )
    return Unreachable(
        f"Kaggle, asked to {doing}, gave no answer that can be read ({kind}); check the network, and the variables "
        "HTTPS_PROXY and ALL_PROXY if they are set, and run again."
    )


def _from_response(response: Any, doing: str, slug: str, write: bool) -> FfdiError:
    try:
        body = json.loads(response.text)
    except (ValueError, RuntimeError):  # no JSON; or a stream that was read already
        body = None
    code, reason = error_in(body) or (response.status_code, response.reason or "")
    status = code or response.status_code
    if status < 500 and status not in BUSY:
        return refusal(doing, status, reason, slug)
    if status >= 500 and write:
        return LostReply(
            f"Kaggle failed (HTTP {status}: {_one_line(reason)}) while asked to {doing}: it may or may not have been "
            "done; look there before trying again."
        )
    busy = f"Kaggle is busy (HTTP {status}: {_one_line(reason)}) and did not {doing}; run again later."
    asked = response.headers.get("Retry-After", "")  # seconds, or a date, which is not waited for
    return Unreachable(busy, wait=float(asked) if asked.isdecimal() else 0.0)


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:MAX_REASON]
