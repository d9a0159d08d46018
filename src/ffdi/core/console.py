"""Print lines, tables and progress: with Rich on a terminal, as plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PLAIN_SECONDS = 5.0  # between two plain progress lines
Send = Callable[[str, Any], None]
_state: dict[str, Any] = {"several": False, "send": None, "counting": False}


def one_of_several() -> None:
    """Print plain lines from now on: other processes share the terminal, and bars would overwrite each other."""
    _state["several"] = True


def send_to(send: Send | None) -> None:
    """Give lines ("say", "warn") and counts ("count") to `send` from now on; None: print them again."""
    _state.update(send=send, counting=False)


def never_fail() -> None:
    """Have no work end by what is printed: "?" stands for what the terminal lacks, and a closed stream takes all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed, as by >&-
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print a line."""
    if _state["send"]:
        _state["send"]("say", text)
    else:
        _print(text, markup=False)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    if _state["send"]:
        _state["send"]("warn", text)
    else:
        _print(f"warning: {text}", error=True, markup=False, style="yellow")


def fail(text: str) -> None:
    """Print an error to stderr."""
    _print(f"error: {text}", error=True, markup=False, style="bold red")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table.

    Args:
        title: Shown above it.
        columns: Headings; the first column is aligned to the left.
        rows: Cells, shown as given: format numbers before.
    """
    shown = Table(title=Text(title, "bold"), title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        shown.add_column(Text(column), justify="left" if index == 0 else "right")
    for row in rows:
        shown.add_row(*[Text(str(cell)) for cell in row])
    _print(shown)


class Meter:
    """Count what is done of `total`, and tell the rate and the time left; on a terminal as a bar."""

    def __init__(
        self, label: str, total: int, unit: str, bar: Progress | None = None, send: Send | None = None
    ) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._skipped = 0
        self.started = self._told = time.monotonic()
        self._bar, self._send = bar, send
        self._task: Any = bar and bar.add_task(label, total=total, rate="")

    def advance(self, n: int = 1) -> None:
        """Count `n` more."""
        self.show(self.done + n, self._skipped)

    def show(self, done: int, skipped: int) -> None:
        """Set what is done, and how much of it an earlier run did."""
        self.done, self._skipped = done, skipped
        if self._send is not None:
            self._send("count", (self.label, done, skipped))
        elif self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=f"{self._rate():,.1f} {self.unit}/s")
        elif not _state["send"] and time.monotonic() - self._told >= PLAIN_SECONDS and self.done < self.total:
            self.tell()

    def skip(self, n: int) -> None:
        """Count `n` that an earlier run did: they are done, and do not count for the rate."""
        self.show(n, n)

    def tell(self) -> None:
        """Print a plain line."""
        self._told = time.monotonic()
        left = (self.total - self.done) / self._rate()
        ending = f", {left:.0f} s left" if self._skipped < self.done < self.total else ""
        say(
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit}, {self._rate():,.1f} {self.unit}/s, "
            f"{self._told - self.started:.0f} s so far{ending}"
        )

    def _rate(self) -> float:
        return max(self.done - self._skipped, 1e-9) / max(time.monotonic() - self.started, 1e-9)


@contextmanager
def progress(label: str, total: int, unit: str = "images") -> Iterator[Meter]:
    """Yield a meter: `with progress("decode", n) as meter: meter.advance(k)`; a last plain line tells the rate.

    Where lines are sent elsewhere, so are the counts, of the outermost meter only.

    Args:
        label: What is counted.
        total: How many there are.
        unit: In the plural.
    """
    if _state["send"]:
        outermost, _state["counting"] = not _state["counting"], True
        try:
            yield Meter(label, total, unit, send=_state["send"] if outermost else None)
        finally:
            _state["counting"] = not outermost
        return
    if sys.stdout.isatty() and not _state["several"]:
        described, rate = TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")
        columns = (described, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
        with Progress(*columns, console=_console()) as bar:
            yield Meter(label, total, unit, bar)
        return
    meter = Meter(label, total, unit)
    yield meter
    if meter.done > meter._skipped:
        meter.tell()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on, unlike Rich, which ends the process: `| head` reads no more, and the work is not for it alone."""
        _discard(self.file)


def _print(shown: object, error: bool = False, **options: Any) -> None:
    console = _console(error)
    try:
        console.print(shown, **options)
    except OSError:  # a full disk, a terminal that is gone
        _discard(console.file)


def _discard(stream: IO[str]) -> None:
    """Send what is printed from now on, and what waits in the buffer, nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _console(error: bool = False) -> Console:
    # Made anew: tests and notebooks replace sys.stdout.
    stream = sys.stderr if error else sys.stdout
    return _Console(file=stream, highlight=False, emoji=False, soft_wrap=True, width=None if stream.isatty() else 140)
