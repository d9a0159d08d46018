"""`ffdi grade`: the only verb that reads true test labels."""

from importlib.resources import files
from pathlib import Path

from ffdi.config.load import load_competition, load_recipe
from ffdi.core import console
from ffdi.metrics.delong import Interval
from ffdi.submission.grade import grade


def run(submission: Path, labels: Path | None, recipe: Path) -> None:
    path = submission / "submission.csv" if submission.is_dir() else submission
    truth = labels or Path(str(files("ffdi"))) / "sample" / "truth" / "test_labels.csv"
    found = grade(path, truth, load_competition(load_recipe(recipe).competition))
    rows = [["all", found.originals, found.fakes, _interval(found.auc)]]
    rows += [[name, found.originals, family.fakes, _interval(family.auc)] for name, family in found.families.items()]
    console.table(f"graded: {path}", ["fakes of", "originals", "fakes", "AUC (95 %)"], rows)
    console.table("TPR", ["at FPR", "TPR"], [[f"{fpr:g}", f"{tpr:.4f}"] for fpr, tpr in found.tpr.items()])


def _interval(auc: Interval) -> str:
    return f"{auc.value:.4f} ({auc.low:.4f}-{auc.high:.4f})"
