"""The study against Optuna's own journal, and how long a restarted worker takes to its first trial."""

import statistics
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ffdi.core.stop import Stop
from tests.bench.timing import against
from tests.fixtures.search import options, search

TRIALS = 50
SPACE = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "p": FloatDistribution(0, 1)}
RESTARTS = 7


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        number = count()
        print(
            against(
                f"{TRIALS} trials of {len(SPACE)} parameters, against Optuna's journal",
                lambda: _ours(Path(folder) / f"{next(number)}"),
                lambda: _theirs(Path(folder) / f"{next(number)}"),
                5,
            )
        )
        seconds = [_restart(Path(folder) / "restarted") for _ in range(RESTARTS)]
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}, n = {RESTARTS}"
    print(f"a new process takes over a killed worker's trial after {statistics.median(seconds):.2f} s ({spread})")


def _ours(folder: Path) -> None:
    search(options(folder, trials=TRIALS, pruner="none"), _score)


def _score(trial: optuna.Trial, stop: Stop) -> float:
    for name, kind in SPACE.items():
        trial.suggest_float(name, kind.low, kind.high, log=kind.log)
    return 0.5


def _theirs(folder: Path) -> None:
    folder.mkdir()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(storage=storage, direction="maximize")
    for _ in range(TRIALS):
        trial = study.ask(SPACE)
        study.tell(trial, 0.5)


def _restart(folder: Path) -> float:
    """Imports included; every run leaves a trial at work to the next."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.fixtures.search import options, search\n"
        "search(options(Path(sys.argv[1]), trials=1), lambda *_: os._exit(0))"
    )
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return time.perf_counter() - begun
