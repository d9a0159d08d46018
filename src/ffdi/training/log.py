"""The log of one fold in JSON lines, from which curves are drawn."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ffdi.core import atomic
from ffdi.core.errors import UserError
from ffdi.training.checks import Checked

STEPS = 20  # between two lines


class Log:
    """Appends lines to `path`; `batch` images a step, `epoch` steps an epoch."""

    def __init__(self, path: Path, epoch: int, batch: int, writes: bool = True) -> None:
        self.path, self.epoch, self.batch, self.writes = path, epoch, batch, writes
        self._losses: list[float] = []
        self._since = time.monotonic()

    def rewind(self, done: int) -> None:
        """Drop the lines after `done` updates, which a resumed run will write again, and a torn last line."""
        if self.writes and self.path.exists():
            kept = [line for line in lines(self.path) if line["step"] <= done]
            atomic.write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def train(self, checked: Iterable[Checked]) -> None:
        """Take finished steps; write a line every few steps and at the end of an epoch."""
        for one in checked:
            self._losses.append(one.loss)
            done = one.step + 1
            if done % STEPS and done % self.epoch:
                continue
            now = time.monotonic()
            rate = len(self._losses) * self.batch / max(now - self._since, 1e-9)
            self._add(done, "train", loss=sum(self._losses) / len(self._losses), lr=one.rate, images_per_second=rate)
            self._losses, self._since = [], now

    def held_out(self, done: int, scores: dict[str, float]) -> None:
        """Write the scores of the held-out rows after `done` updates."""
        self._add(done, "oof", **scores)
        self._since = time.monotonic()

    def lacks_score(self, done: int, steps: int) -> bool:
        """Return whether a kill fell between the save at the end of an epoch and its held-out line."""
        if done == 0 or done == steps or done % self.epoch:
            return False
        known = lines(self.path) if self.path.exists() else []
        return not any(line["step"] == done and line["split"] == "oof" for line in known)

    def _add(self, done: int, split: str, **values: float) -> None:
        if not self.writes:
            return
        line = json.dumps({"step": done, "epoch": done / self.epoch, "split": split, **values}) + "\n"
        try:
            with self.path.open("a") as file:
                file.write(line)
        except OSError as error:
            remedy = "make room, or the place writable, and run the same command again"
            raise UserError(f"Cannot write {self.path}: {error.strerror}; {remedy}.") from error


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log; a torn one, which a kill can leave, is skipped."""
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found
