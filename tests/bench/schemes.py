"""How far each way to validate was from the graded test: same models, another question.

python -m tests.bench.schemes FOLDER [PART ...]

FOLDER and parts are those of tests.bench.craft, whose runs are used again. A number is what a scheme says of a model
less that model's AUC on the test, mean over three seeds. "group": near-duplicates in one fold. "degraded": the same
models on damaged copies of the fold. "cluster": fakes of one hand left out whole. "official": train -> val.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from ffdi.cli.project import Project
from ffdi.training import launch
from ffdi.training.degraded import aucs
from ffdi.training.job import FoldJob
from tests.bench.craft import PARTS, graded, job, mean, prepared

SEEDS = 3
SCHEMES = ("group", "cluster", "official")


def main(folder: Path, parts: Iterable[str]) -> None:
    print(f"{'part':24}{'scheme':12}{'it says':>19}{'graded test':>19}{'too high by':>19}")
    for scheme in SCHEMES:
        project = prepared(folder if scheme == "group" else folder / scheme, scheme)
        for part in parts:
            _judge(project, scheme, part)


def _judge(project: Project, scheme: str, part: str) -> None:
    jobs = [job(project, part, seed, PARTS[part]) for seed in range(SEEDS)]
    launch.train(jobs, launch.devices(), None)
    runs = [graded(one) for one in jobs]
    tests = [run.test for run in runs]
    _show(part, scheme, [run.fold for run in runs], tests)
    if scheme == "group":
        _show(part, "degraded", [_degraded(one) for one in jobs], tests)


def _degraded(job: FoldJob) -> float:
    return fmean(aucs(job).values())


def _show(part: str, scheme: str, said: list[float], tests: list[float]) -> None:
    gaps = [one - test for one, test in zip(said, tests, strict=True)]
    print(f"{part:24}{scheme:12}{mean(said, '.4f'):>19}{mean(tests, '.4f'):>19}{mean(gaps, '+.4f'):>19}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["plain"])
