"""The log of one fold: JSON lines, the truth that curves are drawn from. It decides nothing."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.core import atomic


class Journal:
    """Appends lines to `path`; `rewind(step)` drops what a resumed run will write again (and a torn last line)."""

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self.board = _board(path.parent / "tensorboard") if writes else None

    def rewind(self, step: int) -> None:
        if self.writes and self.path.exists():
            kept = [line for line in lines(self.path) if line["step"] <= step]
            atomic.write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, **values: Any) -> None:
        if self.writes:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(values) + "\n")
            self._show(values)

    def _show(self, values: dict[str, Any]) -> None:
        if self.board is not None:
            for name in values.keys() - {"step", "split"}:
                self.board.add_scalar(f"{values['split']}/{name}", values[name], values["step"])
            self.board.flush()


def _board(folder: Path) -> Any:
    """A TensorBoard writer where that package is installed: a second view of the same lines."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a torn one, which a kill can leave, is skipped."""
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def frame(path: Path) -> pd.DataFrame:
    return pd.DataFrame(lines(path))
