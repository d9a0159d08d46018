"""A finished submission, its contest and the imitation of Kaggle; and the verbs as a person types them."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ffdi.cli import ledger as ledger_verb
from ffdi.cli import main as command
from ffdi.cli import submit as submit_verb
from ffdi.config.load import load_competition
from ffdi.core import checksum
from ffdi.data import manifest
from ffdi.submission import ledger
from ffdi.submission.folder import publish
from ffdi.submission.kaggle import sign_in
from ffdi.submission.parcel import Parcel, of_file
from ffdi.submission.row import Row
from ffdi.submission.send import Clock, Office
from tests.kaggle_server.server import Server

COMPETITION = """
name = "toy"
title = "Toy contest"
slug = "toy"
id_column = "id"
target_column = "target"
prediction_column = "y"
submissions_per_day = 2
[train]
labels = "train.csv"
images = "train"
[test]
labels = "test.csv"
images = "test"
has_target = false
"""
IDS = [f"{number:02d}.png" for number in range(8)]


@dataclass
class Time:
    """A clock that passes while it is slept on. It starts at 18:00 UTC."""

    now: float = 1_763_834_400.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


@dataclass
class World:
    """`run(verb, …)` gives the exit code; `out` and `err` are what it printed."""

    folder: Path
    server: Server
    time: Time
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    out: str = ""
    err: str = ""

    @property
    def root(self) -> Path:
        return self.folder / "submissions"

    @property
    def rows(self) -> list[Row]:
        return ledger.load(self.root)

    @property
    def statuses(self) -> list[str]:
        return [row.status for row in self.rows]

    @property
    def sent(self) -> int:
        """How many submissions Kaggle was asked to make."""
        return self.server.count("CreateSubmission") + self.server.count("CreateCodeSubmission")

    def publish(self, seed: int = 0, **card: Any) -> Path:
        """The next finished submission, with the card of a blend."""
        frame = pd.DataFrame({"id": pd.Series(IDS, dtype="str"), "y": np.random.default_rng(seed).random(len(IDS))})
        competition = load_competition(str(self.folder / "toy.toml"))
        rows = manifest.read(submit_verb.Workspace(self.folder / "work/toy/images", self.root))
        given = {**CARD, "competition": str(self.folder / "toy.toml"), "manifest": manifest.digest(rows)} | card
        return publish(frame, given, f"inputs{seed}", competition, self.root, "toy").folder

    def office(self) -> Office:
        return Office(sign_in(), "toy", self.root, self.time.clock())

    def parcel(self, given: str | None = None) -> Parcel:
        return of_file(given, self.root)

    def run(self, verb: str, *more: str) -> int:
        """`submit` or `ledger`."""
        places = ["--submissions", str(self.root), "--work", str(self.folder / "work")]
        self.monkeypatch.setattr(sys, "argv", ["ffdi", verb, *more, *places])
        with pytest.raises(SystemExit) as ended:
            command.main()
        self.out, self.err = (" ".join(text.split()) for text in self.capsys.readouterr())
        assert "Traceback" not in self.err
        return int(ended.value.code or 0)


PUBLIC = {"value": 0.95, "low": 0.90, "high": 0.97, "se": 0.02}
CARD: dict[str, Any] = {
    "recipe": {"name": "toy"},
    "method": "rank_mean",
    "honest": [
        {"method": "stack", "chosen": False, "nested": 0.1, "low": 0.1, "high": 0.1},
        {"method": "rank_mean", "chosen": True, "nested": 0.949, "low": 0.93, "high": 0.96},
    ],
    "blend": {"auc": {"value": 0.95, "low": 0.94, "high": 0.96}},
    "forecast": {"best": "rank_mean", "outlooks": {"rank_mean": {"public": PUBLIC}},
                 "smallest": {"held_out": 0.003, "public": 0.004}},
}  # fmt: skip


@pytest.fixture
def world(
    tmp_path: Path, kaggle_server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> World:
    """One submission, 001-toy, which was never sent."""
    (tmp_path / "toy.toml").write_text(COMPETITION)
    rows = pd.DataFrame({name: [np.zeros(1, kind)[0] if kind != "str" else ""] * len(IDS)
                         for name, kind in manifest.COLUMNS.items()})  # fmt: skip
    rows = manifest.typed(rows.assign(id=IDS, split="test", target=-1, status="ok"))
    (tmp_path / "work/toy/images").mkdir(parents=True)
    checksum.write_table(tmp_path / "work/toy/images/manifest.parquet", rows)
    time = Time()
    for verb in (submit_verb, ledger_verb):
        monkeypatch.setattr(verb, "CLOCK", time.clock())
    made = World(tmp_path, kaggle_server, time, capsys, monkeypatch)
    made.publish()
    return made
