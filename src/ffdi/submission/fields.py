"""Fields of Kaggle's JSON as values. One that is left out has its default; one that makes no sense counts as that."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Body = Mapping[str, Any]


def rows_of(body: Body, name: str) -> list[Body]:
    """The objects of a list; whatever else stands in it is left out."""
    value = body.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def text_of(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def number_of(body: Body, name: str) -> int:
    """A count; written as text where it can exceed what a double holds."""
    value = body.get(name)
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else 0


def score_of(body: Body, name: str) -> float | None:
    """Scores are text, and empty while there is none."""
    try:
        value = float(body.get(name) or "")
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def date_of(body: Body, name: str) -> datetime | None:
    """Kaggle's dates are UTC whether or not they say so, with up to nine digits behind the second."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text_of(body, name).removesuffix("Z"))
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def hours_of(body: Body, name: str) -> float:
    """A span such as "3600s"."""
    try:
        return float(text_of(body, name).removesuffix("s")) / 3600
    except ValueError:
        return 0.0


def names_of(body: Body, name: str) -> list[str]:
    value = body.get(name)
    return [str(one) for one in value if one] if isinstance(value, list) else []
