"""A row of the ledger: one send, typed; and rows as CSV, which a text from anywhere cannot break."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator

from ffdi.config.competition import Frozen
from ffdi.core.errors import UserError
from ffdi.submission.tag import TAG

Status = Literal["pending", "lost", "sent", "refused", "failed", "scored"]
# In the order of what is known: of two accounts of one send, the one that knows more is kept.
STATUSES: tuple[Status, ...] = ("pending", "lost", "sent", "refused", "failed", "scored")
MEANING = {
    "pending": "about to be sent, or killed while it was",
    "lost": "no answer came and Kaggle's list does not show it",
    "sent": "Kaggle has it, the score is awaited",
    "refused": "Kaggle did not take it",
    "failed": "Kaggle took it and could not score it",
    "scored": "it has a score",
}
LONGEST = 300  # characters of a text; reasons that Kaggle gives have no limit


def plain(text: str) -> str:
    """One printable line that no spreadsheet takes for a formula."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return (f"'{line}" if line.startswith(("=", "+", "-", "@")) else line)[:LONGEST].rstrip()


def _is_plain(text: str) -> str:
    if text != plain(text):
        raise ValueError(f"must be one printable line of at most {LONGEST} characters and no formula")
    return text


Plain = Annotated[str, AfterValidator(_is_plain)]
Score = Annotated[float | None, Field(allow_inf_nan=False)]


class Row(Frozen):
    """`oof` to `noise` come from the card: AUCs, the forecast of the public board, and `noise`, the difference up to
    which chance alone may turn the order of two like submissions round (95 %). `public` and `private` are Kaggle's."""

    tag: str = Field(pattern=f"^{TAG}$")
    date: str  # UTC, ISO
    competition: str = Field(pattern="^[a-z0-9-]+$")  # slug
    submission: Plain = Field(pattern=r"^\d{3,}-[^/\\]+$")  # folder
    sha256: str = Field(pattern="^([0-9a-f]{64})?$")  # of the file; empty for a kernel
    inputs: Plain
    kind: Literal["file", "kernel"]
    kernel: Plain = ""
    version: int | None = None
    file: Plain
    method: Plain = ""
    oof: Score = None
    nested: Score = None
    nested_low: Score = None
    nested_high: Score = None
    forecast_low: Score = None
    forecast_high: Score = None
    noise: Score = None
    status: Status
    ref: int | None = None
    public: Score = None
    private: Score = None
    error: Plain = ""

    @field_validator("date")
    @classmethod
    def _is_utc(cls, value: str) -> str:
        if not value.endswith("+00:00") or datetime.fromisoformat(value).isoformat(timespec="seconds") != value:
            raise ValueError("must be a time such as 2026-11-22T18:00:00+00:00")
        return value

    @property
    def honest(self) -> float | None:
        """What it was held to be worth: nested where weights were learned, else out of fold."""
        return self.oof if self.nested is None else self.nested

    @property
    def settled(self) -> bool:
        """Nothing more is awaited but the private score."""
        return self.status in ("refused", "failed", "scored")

    @property
    def content(self) -> str:
        """What was sent, as a text: two rows of one content sent the same thing."""
        return self.sha256 or f"{self.kernel}/{self.version}/{self.file}"


COLUMNS = list(Row.model_fields)


def ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.date, row.tag))


def render(rows: Iterable[Row]) -> bytes:
    """CSV in the ledger's order: UTF-8, LF, floats by the shortest digits that read back as the same number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in ordered(rows):
        writer.writerow(["" if value is None else value for value in row.model_dump().values()])
    return text.getvalue().encode()


def parse(data: bytes, name: str) -> list[Row]:
    """The rows of a ledger that is called `name` in messages. Raises UserError with row and remedy."""
    try:
        reader = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        lines = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{name} is no CSV in UTF-8 ({error}); {_remedy(name)}") from error
    if not lines or lines[0] != COLUMNS:
        odd = sorted(set(lines[0] if lines else []) ^ set(COLUMNS)) or ["their order"]
        raise UserError(f"{name}, row 1: the columns differ from the ledger's: {', '.join(odd)[:200]}; {_remedy(name)}")
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(COLUMNS):
            raise UserError(f"{name}, row {number}: {len(line)} fields, not {len(COLUMNS)}; {_remedy(name)}")
        cells = {column: _cell(column, text) for column, text in zip(COLUMNS, line, strict=True)}
        row = validated(cells, f"{name}, row {number}", _remedy(name))
        if row.tag in {known.tag for known in rows}:
            raise UserError(f"{name}, row {number}: the tag {row.tag} came before; {_remedy(name)}")
        rows.append(row)
    return rows


def validated(cells: Mapping[str, Any], where: str, remedy: str) -> Row:
    """Raises UserError naming `where`, the column and the `remedy`."""
    try:
        return Row.model_validate(cells)
    except ValidationError as error:
        first = error.errors()[0]
        column, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise UserError(f"{where}, {column}: {message}, not {str(first['input'])[:60]!r}; {remedy}") from error


def _cell(column: str, text: str) -> str | None:
    return None if text == "" and Row.model_fields[column].default is None else text


def _remedy(name: str) -> str:
    return f"mend that, or delete {name}: `ffdi ledger` writes it anew from the cards of the submissions."
