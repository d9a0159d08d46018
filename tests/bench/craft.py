"""What each part of the forgery craft does to the embedded sample: folds of known forgeries, and the unseen family.

python -m tests.bench.craft FOLDER [SEEDS [PART ...]]

Seed s holds fold s mod 3 out, so that three seeds together judge every image once, and a part is compared with the
plain recipe on the same fold under the same seed. The test's Poisson swaps are in no training image. Killed, it goes on
when it is started again. About two minutes a part and three seeds on two cores; not part of `make bench`.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from ffdi.cli import folds as fold_verb
from ffdi.cli.project import Project, open_project
from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.data import folds, manifest
from ffdi.metrics.auc import auc
from ffdi.training import launch
from ffdi.training.job import FoldJob, plan

RECIPE = Path(__file__).parents[2] / "ensembles" / "sample.toml"
TRUTH = Path(str(files("ffdi"))) / "sample" / "truth" / "test_labels.csv"
UNSEEN = "swap_poisson"
SHARE = 0.25  # of the originals that are forged

Change = dict[str, Any]


def _forge(*families: str, share: float = SHARE) -> Change:
    return {"forge": {"share": share, "families": dict.fromkeys(families, 1.0)}}


ALL_FAMILIES = (
    "self_blend", "swap", "component", "excision", "erasure", "background", "artefact", "filtering", "resampling",
)  # fmt: skip
PARTS: dict[str, Change] = {
    "plain": {},
    **{f"forge {name}": _forge(name) for name in ALL_FAMILIES},
    "forge all families": _forge(*ALL_FAMILIES),
    "fakes degraded": {"augment": {"degrade": {}}},
    "fakes without parts": {"augment": {"parts": {}}},
    "stem srm": {"stem": "srm"},
    "stem npr": {"stem": "npr"},
    "stem dct": {"stem": "dct"},
    "loss class_balanced": {"loss": {"class_balanced": True}},
    "loss supcon": {"loss": {"supcon": 0.2}},
    "loss consistency": {"loss": {"consistency": 0.5}},
}
PARTS["all together"] = {
    **_forge(*ALL_FAMILIES),
    "augment": {"degrade": {}, "parts": {}},
    "stem": "srm",
    "loss": {"class_balanced": True, "supcon": 0.2, "consistency": 0.5},
}


@dataclass(frozen=True)
class Run:
    """AUC of one fold model: on the fold held out, on the test, on its unseen family, on its other families."""

    fold: float
    test: float
    unseen: float
    seen: float


def main(folder: Path, seeds: int, parts: Iterable[str]) -> None:
    project = prepared(folder)
    names = list(dict.fromkeys(["plain", *parts]))
    jobs = {name: [job(project, name, seed, PARTS[name]) for seed in range(seeds)] for name in names}
    launch.train([one for several in jobs.values() for one in several], launch.devices(), None)
    runs = {name: [graded(one) for one in several] for name, several in jobs.items()}
    print(f"{'part':24}{'fold AUC':>19}{'against plain':>19}{'unseen family':>19}{'against plain':>19}{'test':>19}")
    for name in names:
        print(f"{name:24}{_columns(runs[name], runs['plain'])}")


def prepared(folder: Path, scheme: str = "group") -> Project:
    """A project with a manifest and folds of this scheme in `folder`."""
    project = open_project(RECIPE, None, folder / "work", folder / "submissions")
    changes: Change = {"folds": project.recipe.folds.model_copy(update={"scheme": scheme})}
    if scheme == "official":
        changes["data"] = project.recipe.data.model_copy(update={"train_splits": ("train", "val")})
    project = replace(project, recipe=project.recipe.model_copy(update=changes))
    fold_verb.run(project)
    return project


def job(project: Project, part: str, seed: int, change: Change) -> FoldJob:
    """The fold of number `seed` of the sample's first member, changed."""
    name = f"{part.replace(' ', '_').replace(',', '')}-{seed}"
    base = project.recipe.member[0].model_dump()
    changed = base | {"name": name, "seed": seed} | change
    changed["augment"] = base["augment"] | change.get("augment", {})
    recipe = project.recipe.model_copy(update={"member": (Member.model_validate(changed),)})
    rows = manifest.read(project.places)
    table = folds.read(project.places, recipe.folds, rows, recipe.data.train_splits)
    planned = plan(recipe, project.competition, rows, table, project.images, project.places)
    return planned[seed % len(planned)]


def graded(job: FoldJob) -> Run:
    truth = pd.read_csv(TRUTH, dtype={"img_name": str}).set_index("img_name")
    logit = checksum.read_table(job.folder / "test.parquet").groupby("id").logit.mean()
    rows = truth.assign(logit=logit.reindex(truth.index))
    unseen = (rows.target == 0) | (rows.family == UNSEEN)
    seen = (rows.target == 0) | (rows.family != UNSEEN)
    aucs = [auc(part.target, part.logit) for part in (rows, rows[unseen], rows[seen])]
    return Run(float(checksum.read_json(job.folder / "done.json")["scores"]["auc"]), *aucs)


def _columns(runs: list[Run], plain: list[Run]) -> str:
    text = ""
    for name in ("fold", "unseen"):
        values = [getattr(run, name) for run in runs]
        gains = [value - getattr(run, name) for value, run in zip(values, plain, strict=True)]
        text += f"{mean(values, '.4f'):>19}{mean(gains, '+.4f'):>19}"
    return text + f"{mean([run.test for run in runs], '.4f'):>19}"


def mean(values: list[float], form: str) -> str:
    """Mean and standard error over the seeds."""
    return f"{fmean(values):{form}} ± {stdev(values) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3, sys.argv[3:] or list(PARTS))
