"""A DataFrame as the rows of a page: numbers formatted and right-aligned, missing values as a dash."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real

import pandas as pd

MISSING = "–"


@dataclass(frozen=True)
class Table:
    """Text ready to be shown. `numeric[i]` tells that column i is aligned to the right."""

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
    most: int = 50,
) -> Table:
    """The first `most` rows of `frame`, whose index is not shown.

    `formats` gives a format spec by column ('.4f'); whole numbers get thousands marks without one, other numbers
    four digits. `names` gives headings by column; the rest are the column's name with spaces for underscores.
    """
    formats, names = formats or {}, names or {}
    shown = frame.head(most)
    columns = [[write(value, formats.get(str(name))) for value in shown[name]] for name in frame.columns]
    if len(frame) > most:
        caption = f"{caption} The first {most:,} of {len(frame):,} rows.".strip()
    return Table(
        title,
        tuple(names.get(str(name), str(name).replace("_", " ")) for name in frame.columns),
        tuple(zip(*columns, strict=True)),
        tuple(_is_number(frame[name]) for name in frame.columns),
        caption,
    )


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def write(value: object, spec: str | None = None) -> str:
    """One cell: '1,234', '0.9671', 'yes', or a dash for what is missing."""
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


def percent(share: float, digits: int = 1) -> str:
    """A share as '81.0%', with the dash for NaN."""
    return f"{100 * share:.{digits}f}%" if math.isfinite(share) else MISSING


def volume(count: int) -> str:
    """Bytes as '5.7 MB' or '41 GB', powers of ten."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.3g} {unit}"


def interval(low: float, high: float, spec: str = ".4f") -> str:
    """'0.9583 to 0.9759'; a dash where there is none."""
    return f"{write(low, spec)} to {write(high, spec)}" if math.isfinite(low) else write(low, spec)


def spread(mean: float, sd: float, spec: str = ".4f") -> str:
    """'0.9671 ± 0.0052'; the mean alone where one value has no deviation."""
    return f"{write(mean, spec)} ± {write(sd, spec)}" if math.isfinite(sd) else write(mean, spec)


def counted(count: int, one: str, many: str | None = None) -> str:
    """'1 image', '1,234 images', '2 copies' (with `many`)."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
