"""Cheap studies: an objective that costs milliseconds stands in for hours of training."""

import time
from collections.abc import Callable
from pathlib import Path

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from ffdi.core.stop import Stop
from ffdi.search.study import Trial, Wishes

SPACE: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(("a", "b")),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "p": FloatDistribution(0.0, 1.0),
}
EPOCHS, FOLDS = 3, 2


def wishes(folder: Path, **others: object) -> Wishes:
    fields = {"name": "cheap", "folder": folder, "space": SPACE, "trials": 10, "pruner": "median"}
    return Wishes(**{**fields, "folds": FOLDS, "epochs": EPOCHS, **others})  # type: ignore[arg-type]


def height(params: dict[str, object]) -> float:
    """The score of these parameters: best at p = 0.3 of kind a."""
    return 1 - (float(params["p"]) - 0.3) ** 2 - 0.1 * (params["kind"] == "b")  # type: ignore[arg-type]


def objective(seconds: float = 0.0) -> Callable[[Trial, Stop], float]:
    """Reports every epoch of every fold, resting `seconds` before each."""

    def run(trial: Trial, stop: Stop) -> float:
        top, done = height(trial.params), []
        for fold in range(FOLDS):
            for epoch in range(1, EPOCHS + 1):
                time.sleep(seconds)
                last = fold + 1 == FOLDS and epoch == EPOCHS
                trial.report(fold, epoch, done, top * epoch / EPOCHS, last)
            done.append(top)
        return top

    return run


def quick(device: str) -> Callable[[Trial, Stop], float]:
    """As a maker of workers."""
    return objective()
