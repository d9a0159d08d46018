"""`ffdi evaluate`: show where the blend is weak and what damage costs, or score a submission against true labels."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending import saved
from ffdi.blending.apply import BLEND, degraded_scores, members_with_weight
from ffdi.blending.methods import METHODS
from ffdi.blending.oof import read_team
from ffdi.cli.project import COMPETITION, Project
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import SUBMISSION_CSV
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.data.degraded import DAMAGES
from ffdi.data.tables import read_labels
from ffdi.metrics.slices import COLUMNS, Of, binned, compare, cut, pooled
from ffdi.report.page import page_of, show
from ffdi.submission.check import check

KINDS: dict[str, Of] = {
    "forgery cluster": "fakes",
    "source": "originals",
    "JPEG quality": "both",
    "image size": "both",
    "sharpness": "both",
}
QUALITIES = [1.0, 50, 70, 80, 90, 95]
SIDES = [1.0, 128, 256, 512, 1024]  # pixels of the shorter side
QUARTERS = (0.25, 0.5, 0.75)  # of the sharpness
FAMILY = "family"  # the optional column of a labels table that names the kind of each forgery


def run(project: Project, degraded: bool) -> None:
    """Evaluate the blend on its held-out images: by slices, and with `degraded` on damaged copies of them."""
    blend = saved.load(project.recipe, project.competition, project.places)
    rows = _rows(project, blend)
    whole, slices = pooled(rows), cut(rows, KINDS)
    copies = _copies(project, blend) if degraded else pd.DataFrame(columns=COLUMNS)
    inputs = {"manifest": checksum.digest(project.places.manifest)}
    show(project.places.report("evaluate"), page_of("evaluate", slices, whole, copies, inputs))


def run_submission(submission: Path, labels: Path | None, recipe: Recipe) -> None:
    """Evaluate a submission against true labels.

    Args:
        submission: A CSV or its folder.
        labels: The true ones; None: the embedded sample's.
        recipe: Names the competition.
    """
    path = submission / SUBMISSION_CSV if submission.is_dir() else submission
    if not path.is_file():
        raise UserError(f"There is no submission {path}; name a CSV or its folder, such as submissions/001-sample.")
    if labels is None and recipe.competition != COMPETITION:
        raise UserError(f"The true labels of {recipe.competition} are not known; name their CSV with --labels.")
    truth = labels or Path(str(files("ffdi"))) / "sample" / "truth" / "test_labels.csv"
    rows = joined(path, truth, load_competition(recipe.competition))
    whole, fakes = pooled(rows), int(rows["target"].sum())
    first = ["all", len(rows) - fakes, fakes, _interval(whole.value, whole.low, whole.high)]
    families = cut(rows, {FAMILY: "fakes"}, least=1).to_dict("records")
    lines = [[one["name"], one["originals"], one["fakes"], _interval(one["auc"], one["low"], one["high"])]
             for one in families]  # fmt: skip
    console.table(f"evaluated: {path}", ["fakes of", "originals", "fakes", "AUC (95 %)"], [first, *lines])


def joined(submission: Path, labels: Path, competition: Competition) -> pd.DataFrame:
    """Join a submission CSV with a labels CSV by id.

    Args:
        submission: Checked as before it is sent.
        labels: As the competition's table of train, and maybe with a column `family`.
        competition: Names the columns.

    Returns:
        id, target (0, 1), score, family (None for originals, and where the labels name none).

    Raises:
        UserError: One of the tables is refused, the ids are not the same, or there is one class only.
    """
    split = competition.train.model_copy(update={"labels": labels.name})
    truth = read_labels(labels.parent, competition.model_copy(update={"train": split}), "train")
    if truth["target"].nunique() < 2:
        raise UserError(f"{labels} holds one class only; an AUC needs fakes and originals.")
    family = pd.read_csv(labels, dtype=str, keep_default_na=False).get(FAMILY)
    if not check(submission, competition, None)[competition.id_column].isin(truth["id"]).any():
        raise UserError(f"{labels} holds none of the images of {submission}; name their true labels with --labels.")
    score = check(submission, competition, truth["id"].tolist())[competition.prediction_column]
    fakes_only = None if family is None else family.where(truth["target"] == 1, None)
    return truth.assign(score=score.to_numpy(), **{FAMILY: fakes_only})


def _rows(project: Project, blend: saved.SavedBlend) -> pd.DataFrame:
    """Return target, score, group and a column a kind, of every image that some fold held out."""
    oof = blend.oof.dropna(subset=[BLEND])
    if oof.empty:
        raise UserError("No member of this recipe held images out, so there is nothing to evaluate.")
    facts = manifests.read(project.places)[["id", "split", "jpeg_q", "width", "height", "sharpness"]]
    rows = oof[["id", "split", "target", "group"]].assign(score=oof[BLEND])
    rows = rows.merge(facts, on=["id", "split"], validate="one_to_one")
    edges = np.unique([0.0, *(float(f"{edge:.3g}") for edge in np.quantile(rows["sharpness"], QUARTERS))])
    return rows.assign(
        **{
            "source": rows["split"],
            "JPEG quality": binned(rows["jpeg_q"], QUALITIES),
            "image size": binned(rows[["width", "height"]].min(axis=1), SIDES, " px"),
            "sharpness": binned(rows["sharpness"], edges.tolist()),
            "forgery cluster": _clusters(project, rows),
        }
    )


def _clusters(project: Project, rows: pd.DataFrame) -> pd.Series:
    """Return the clusters of the fold table with the scheme "cluster", whichever scheme the recipe trains with."""
    path = project.places.folds("cluster")
    if not path.exists():
        console.say('no forgery clusters: run `ffdi folds` with folds.scheme = "cluster" to have them')
        return pd.Series(pd.NA, rows.index, dtype="Int64")
    table = checksum.read_table(path)[["id", "split", "cluster"]]
    cluster = rows[["id", "split"]].merge(table, on=["id", "split"], how="left")["cluster"]
    return cluster.where(cluster >= 0).astype("Int64")


def _copies(project: Project, blend: saved.SavedBlend) -> pd.DataFrame:
    """Predict degraded copies by the fold models that held their images out; return a row a kind of damage."""
    import torch

    from ffdi.training import degraded, launch
    from ffdi.training.world import World

    jobs = project.jobs()
    team = read_team(jobs)
    names = members_with_weight(team, blend.weights)
    mine = launch.with_loaders([job for job in jobs if job.member.name in names], 1)
    device = torch.device(launch.devices()[0])
    launch.prepare(device, mine[0].data.workers or 0)  # forks the loaders before CUDA is touched
    tables = degraded.tables(mine, DAMAGES, project.places.degraded)
    with Stop() as stop:
        degraded.predict(tables, project.places.degraded, World(device), stop, project.recipe.cluster)
    found = []
    for kind, damage in DAMAGES.items():
        logits = degraded.read([one for one in tables if one.kind == kind])
        found.append(compare(degraded_scores(team, METHODS[blend.card["method"]], blend.weights, logits), damage.name))
    return pd.DataFrame([one for one in found if one is not None])


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.4f} ({low:.4f}-{high:.4f})"
