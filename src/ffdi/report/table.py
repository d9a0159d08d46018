"""Turn a DataFrame into rows of a page: numbers formatted and right-aligned, missing values as a dash."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real

import pandas as pd

MISSING = "–"
LABELS = {1: "fake", 0: "original", -1: "unlabelled"}  # word for each target


@dataclass(frozen=True)
class Table:
    """Text ready to be shown. `numeric[i]` is True if column i is aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    caption: str = ""


def table(
    frame: pd.DataFrame,
    title: str,
    caption: str = "",
    formats: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    limit: int = 50,
) -> Table:
    """Return the first `limit` rows of `frame` as text, without its index.

    Args:
        frame: One column of the table a column.
        title: Shown above the table.
        caption: Shown below the title.
        formats: Format spec by column, such as '.4f'. Default: thousands marks, or four digits.
        names: Heading by column. Default: the column's name with spaces for underscores.
        limit: Rows to show; the caption says when rows are left out.
    """
    formats, names = formats or {}, names or {}
    columns = [[write(value, formats.get(str(name))) for value in frame[name].head(limit)] for name in frame.columns]
    if len(frame) > limit:
        caption = f"{caption} The first {limit:,} of {len(frame):,} rows.".strip()
    return Table(
        title,
        tuple(names.get(str(name), str(name).replace("_", " ")) for name in frame.columns),
        tuple(zip(*columns, strict=True)),
        tuple(kind.kind in "iufc" for kind in frame.dtypes),
        caption,
    )


def write(value: object, spec: str | None = None) -> str:
    """Return one cell: '1,234', '0.9671', 'yes', or a dash for a missing value."""
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return format(int(value), spec or ",d")
    if isinstance(value, Real):
        number = float(value)
        return format(number, spec or ".4g") if math.isfinite(number) else MISSING
    return str(value)


def interval(low: float, high: float, spec: str = ".4f") -> str:
    """Return '0.9583 to 0.9759', or a dash if there is none.

    Args:
        low: Its end; NaN: there is no interval.
        high: Its end.
        spec: Format.
    """
    return f"{write(low, spec)} to {write(high, spec)}" if math.isfinite(low) else MISSING


def intervals(frame: pd.DataFrame, low: str = "low", high: str = "high", spec: str = ".4f") -> list[str]:
    """Return `interval` of two columns, row by row.

    Args:
        frame: With both columns.
        low: Column of the lower ends.
        high: Column of the upper ends.
        spec: Format.
    """
    return [interval(*pair, spec) for pair in zip(frame[low], frame[high], strict=True)]


def spread(mean: float, sd: float) -> str:
    """Return '0.9671 ± 0.0052', or the mean alone if there is no deviation."""
    return f"{write(mean, '.4f')} ± {write(sd, '.4f')}" if math.isfinite(sd) else write(mean, ".4f")


def counted(count: int, one: str) -> str:
    """Return '1 image' or '1,234 images'."""
    return f"{count:,} {one if count == 1 else one + 's'}"


def capital(text: str) -> str:
    """Return `text` with its first letter large and all others as they are."""
    return text[:1].upper() + text[1:]


def shorten(name: str, limit: int = 24) -> str:
    """Return `name` with its middle left out if it is longer than `limit` characters."""
    head = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:head]}…{name[-(limit - 1 - head) :]}"
