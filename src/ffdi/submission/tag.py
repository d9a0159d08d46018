"""The tag by which a submission is found again in Kaggle's list: the first word of its message.

It follows from what is sent, so a second machine or a lost ledger comes to the same tag and finds the submission.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

from ffdi.core import digest

TAG = r"ffdi-[0-9a-f]{12}-[1-9][0-9]*"
_FIRST = re.compile(rf"({TAG})(?: |$)")
Sending = TypeVar("Sending")


def stem(competition: str, inputs: str, content: str) -> str:
    """What the tags of all attempts with one content share. `competition`: slug; `inputs`: of the card."""
    return f"ffdi-{digest.of_json([competition, inputs, content])[:12]}"


def tag(stem: str, attempt: int) -> str:
    """`attempt` counts from 1."""
    return f"{stem}-{attempt}"


def attempt(tag: str) -> int:
    return int(tag.rpartition("-")[2])


def read(message: str) -> str | None:
    """The tag of a message; None if it is not one of ours."""
    match = _FIRST.match(message)
    return match[1] if match else None


def by_tag(messages: Iterable[tuple[str, Sending]]) -> dict[str, Sending]:
    """(message, what it came with) by tag; of two with one tag the first."""
    found: dict[str, Sending] = {}
    for message, sending in messages:
        name = read(message)
        if name is not None:
            found.setdefault(name, sending)
    return found
