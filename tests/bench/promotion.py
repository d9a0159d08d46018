"""What a search buys on the embedded sample: the default against the promoted policy, on fresh seeds and on the graded
test, whichever way it falls.

    python -m tests.bench promotion FOLDER [TRIALS]

TRIALS (default 60) go to the search; the re-runs take about 12 minutes, the models for the graded test as long. Killed,
it goes on when it is started again. Not part of `make bench`. If nothing is promoted, the trial that was best on fresh
seeds stands in, and the table says so.
"""

import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.cli.project import Options, Project
from ffdi.cli.search import context_of, verdict_of
from ffdi.config.recipe import Member
from ffdi.core import checksum, keys
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import gain_interval, placements
from ffdi.metrics.ranks import midrank
from ffdi.search import space
from ffdi.training import launch
from ffdi.training.job import FoldJob

RECIPE = Path(__file__).parents[2] / "ensembles" / "search_sample.toml"
SAMPLE = Path(str(files("ffdi"))) / "sample"
SEEDS = 3  # of the graded models; neither the recipe's nor those of the re-runs


def main(folder: str, trials: str = "60") -> None:
    project = _project(Path(folder), trials)
    for verb in (["folds"], ["search"], ["search", "--promote"]):
        _run(project, verb)
    context = context_of(project)
    verdict = verdict_of(project, context, context.options())
    row = verdict and verdict.best
    assert verdict is not None, "no trial was finished; raise TRIALS"
    assert row is not None
    pair = {"default": space.searched_member(context.recipe), row.candidate.name: row.candidate.member}
    ranks = {name: _graded_ranks(project, member) for name, member in pair.items()}
    truth = pd.read_csv(SAMPLE / "truth" / "test_labels.csv", dtype={"img_name": str}).set_index("img_name")["target"]
    print(f"promoted: {'yes' if verdict.winner else 'no, nothing beat the default beyond noise'}")
    for name, frame in ranks.items():
        aucs = [auc(truth.loc[frame.index], frame[seed]) for seed in frame]
        print(f"{name}: graded AUC by seed {', '.join(f'{value:.4f}' for value in aucs)}; mean {np.mean(aucs):.4f}")
    one, other = (ranks[name].mean(axis=1) for name in (row.candidate.name, "default"))
    first, second = (placements(truth.loc[one.index], score.loc[one.index]) for score in (one, other))
    found = gain_interval(first - second)
    print(f"{row.candidate.name} less default, ranks averaged over {SEEDS} seeds, {len(one)} test images: "
          f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f}, DeLong, 95%)")  # fmt: skip


def _project(folder: Path, trials: str) -> Project:
    """On a copy of the recipe, with so many trials."""
    path = folder / RECIPE.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        budget = f"trials = {trials}\ntop_k = 2\nrerun_seeds = 2\n"
        text = re.sub(r"^(top_k|rerun_seeds) = .*\n", "", RECIPE.read_text(), flags=re.MULTILINE)
        path.write_text(re.sub(r"^trials = .*\n", budget, text, flags=re.MULTILINE))
    return Options(path, None, folder / "work", folder / "submissions").open()


def _run(project: Project, verb: list[str]) -> None:
    root = project.recipe_path.parent
    places = {"--recipe": project.recipe_path, "--work": root / "work", "--submissions": root / "submissions"}
    options = [str(word) for option in places.items() for word in option]
    subprocess.run([sys.executable, "-m", "ffdi.cli.main", *verb, *options], check=True)


def _graded_ranks(project: Project, member: Member) -> pd.DataFrame:
    """Mean rank over the folds of each test image (rows), by seed (columns)."""
    columns = {}
    for number in range(SEEDS):
        seed = keys.key("bench", "promotion", number) % 2**31
        jobs = _jobs(project, member.model_copy(update={"seed": seed}))
        launch.train(jobs, launch.devices(), None)
        columns[number] = pd.concat([_ranks(job) for job in jobs], axis=1).mean(axis=1)
    return pd.DataFrame(columns)


def _jobs(project: Project, member: Member) -> list[FoldJob]:
    return replace(project, recipe=project.recipe.model_copy(update={"member": (member,)})).jobs()


def _ranks(job: FoldJob) -> pd.Series:
    logits = checksum.read_table(job.folder / "test.parquet").groupby("id").logit.mean()
    return pd.Series(midrank(logits), logits.index)
