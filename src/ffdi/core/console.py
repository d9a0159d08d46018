"""What people see: lines, tables and progress. Rich on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

PLAIN_SECONDS = 5.0  # between two plain progress lines


_state = {"several": False}


def one_of_several() -> None:
    """This process shares the terminal with others like it: plain lines, since two bars would overwrite each other."""
    _state["several"] = True


def _console(error: bool = False) -> Console:
    # Made anew: tests and notebooks exchange sys.stdout under us.
    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else 140)


def say(text: str) -> None:
    _console().print(text, markup=False)


def warn(text: str) -> None:
    _console(error=True).print(f"warning: {text}", markup=False, style="yellow")


def fail(text: str) -> None:
    _console(error=True).print(f"error: {text}", markup=False, style="bold red")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; cells are shown as given (format numbers before)."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        shown.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        shown.add_row(*[Text(str(cell)) for cell in row])
    _console().print(shown)


class Meter:
    """Counts `n` of `total` and tells rate and time left."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._skipped = 0
        self.started = self._told = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        if time.monotonic() - self._told >= PLAIN_SECONDS and self.done < self.total:
            self.tell()

    def skip(self, n: int) -> None:
        """`n` were done by an earlier run: they count as done, not for the rate."""
        self.done = self._skipped = n

    def tell(self) -> None:
        self._told = time.monotonic()
        elapsed = max(self._told - self.started, 1e-9)
        rate = max(self.done - self._skipped, 1e-9) / elapsed
        left = f", {(self.total - self.done) / rate:.0f} s left" if self._skipped < self.done < self.total else ""
        say(
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit}, {rate:,.1f} {self.unit}/s, "
            f"{elapsed:.0f} s so far{left}"
        )


class _Bar(Meter):
    def __init__(self, label: str, total: int, unit: str, progress: Progress) -> None:
        super().__init__(label, total, unit)
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def advance(self, n: int = 1) -> None:
        self.done += n
        self._progress.advance(self._task, n)

    def skip(self, n: int) -> None:
        super().skip(n)
        self._progress.update(self._task, completed=n)


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f} {self.unit}/s" if task.speed else f"- {self.unit}/s")


@contextmanager
def progress(label: str, total: int, unit: str = "images") -> Iterator[Meter]:
    """`with progress("decode", n) as meter: meter.advance(k)`; a last plain line states total and rate."""
    if sys.stdout.isatty() and not _state["several"]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=_console()) as shown:
            yield _Bar(label, total, unit, shown)
        return
    meter = Meter(label, total, unit)
    yield meter
    if meter.done > meter._skipped:
        meter.tell()
