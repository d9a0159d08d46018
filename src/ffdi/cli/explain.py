"""`ffdi explain`: images beside what a net looked at and what a person would check; given ones, or the worst errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ffdi.cli.desk import Desk
from ffdi.core import checksum, console, keys
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import checks
from ffdi.data import manifest as manifests
from ffdi.data.decode import Defect, decode
from ffdi.report.page import Page, write_safely

if TYPE_CHECKING:
    from ffdi.infer.saliency import GradCAM
    from ffdi.report.explain import Explained

ORIGINALS = 200  # that numbers are compared with: 5 and 95% are ten images from the ends
SEED = 1
UNSEEN = (
    "Each image is explained by a net that did not train on it: the fold model that held it out, of the member with "
    "most weight in the blend."
)
PACKED = (
    "The net shown is one fold model of the packed member with most weight. If it trained on an image given here, its "
    "verdict on that one says little."
)


def run(images: list[Path], worst: int, desk: Desk, pack: Path | None) -> None:
    if bool(images) == bool(worst):
        raise UserError("Name images, or ask for the worst errors with --worst N: one of the two.")
    if worst and pack is not None:
        raise UserError(
            "--worst explains each image by the fold model that did not see it; leave --pack away, or name images."
        )
    found = list(_worst(desk, worst) if worst else _given(images, pack or _packed(desk)))
    _show(found)
    originals = checks.of_originals(_originals(desk))
    write_safely(desk.places.report("explain"), lambda: _page(desk, found, originals, bool(worst)))


def _page(desk: Desk, found: "list[Explained]", originals: checks.Originals, worst: bool) -> Page:
    from ffdi.report import explain as report
    from ffdi.report.provenance import provenance

    inputs = {"manifest": checksum.digest(desk.places.manifest)} if desk.places.manifest.exists() else {}
    title = "The blend's worst errors, explained" if worst else "Images explained"
    return report.page(found, originals, title, UNSEEN if worst else PACKED, provenance("ffdi explain", inputs))


def _packed(desk: Desk) -> Path:
    from ffdi.cli.pack import folder_of

    return folder_of(desk)


def _given(images: list[Path], pack: Path) -> "Iterator[Explained]":
    """By the first fold model of the member that weighs most."""
    from ffdi.infer.nets import Net
    from ffdi.infer.saliency import GradCAM
    from ffdi.kernels import team
    from ffdi.kernels.scorer import Scorer
    from ffdi.report.explain import Explained

    packed = team.read(pack)
    pixels = {path: _read(path) for path in images}  # before weights are loaded: a wrong name is told at once
    first = max(packed.members, key=lambda one: one.weight)
    fold, file = next(iter(first.files.items()))
    look, scorer = GradCAM(Net(first.member, fold, packed.path(file))), Scorer(pack)
    with console.progress("explain", len(pixels)) as meter:
        for path, image_HWC in pixels.items():
            score = f"The team gives it P(fake) {scorer.image(image_HWC):.3f}"
            saliency = look(image_HWC)
            yield Explained(str(path), "unlabelled", score, f"{first.member.name} fold {fold}", image_HWC,
                            saliency.cells_hw, saliency.logit)  # fmt: skip
            meter.advance(1)


def _read(path: Path) -> np.ndarray:
    try:
        return decode(path.read_bytes()).image_HWC
    except (OSError, Defect) as error:
        raise UserError(f"{path} cannot be explained: {getattr(error, 'strerror', None) or error}.") from error


def _worst(desk: Desk, most: int) -> "Iterator[Explained]":
    """Held-out images whose blended score is farthest from their label, by the fold model that did not see them."""
    from ffdi.blending.apply import BLEND
    from ffdi.blending.result import blend
    from ffdi.report.explain import Explained
    from ffdi.report.style import LABELS

    result = blend(desk.recipe, desk.competition, desk.places)
    oof = result.blended.oof
    if BLEND not in oof:
        raise UserError("No member of this recipe held images out, so none of its errors is honest; name images.")
    error_N = (oof["target"] - oof[BLEND]).abs().rename("error")
    rows = oof.assign(error=error_N).sort_values(["error", "id"], ascending=[False, True]).head(most)
    member = max((name for name in result.blended.weights if name in oof), key=result.blended.weights.__getitem__)
    lookers = _lookers(desk, member, rows["fold"].unique())
    with console.progress("explain", len(rows)) as meter:
        for row in rows.to_dict("records"):
            image_HWC = _read(inside(desk.images, row["relpath"]))
            saliency = lookers[row["fold"]](image_HWC)
            score = f"The blend gives it {row[BLEND]:.3f} (0 original, 1 fake)"
            yield Explained(row["id"], LABELS[row["target"]], score, f"{member} fold {row['fold']}", image_HWC,
                            saliency.cells_hw, saliency.logit)  # fmt: skip
            meter.advance(1)


def _lookers(desk: Desk, member: str, folds: np.ndarray) -> "dict[int | str, GradCAM]":
    from ffdi.infer.nets import Net
    from ffdi.infer.saliency import GradCAM
    from ffdi.kernels.pack import WEIGHTS
    from ffdi.training.job import plan

    path, rows = desk.places.folds(desk.recipe.folds.scheme), manifests.read(desk.places)
    jobs = plan(desk.recipe, desk.competition, rows, checksum.read_table(path), desk.images, desk.places)
    mine = [job for job in jobs if job.member.name == member and job.fold in folds]
    return {job.fold: GradCAM(Net(job.member, job.fold, job.folder / WEIGHTS)) for job in mine}


def _originals(desk: Desk) -> Iterator[np.ndarray]:
    """Some originals of the manifest, the same on every call; none without a manifest."""
    if not desk.places.manifest.exists():
        return
    rows = manifests.read(desk.places).query("target == 0 and status == 'ok'").sort_values(["split", "id"])
    chosen = keys.rng("explain", SEED).permutation(len(rows))[:ORIGINALS]
    with console.progress("originals", len(chosen)) as meter:
        for relpath in rows["relpath"].iloc[np.sort(chosen)]:
            yield _read(inside(desk.images, str(relpath)))
            meter.advance(1)


def _show(found: "list[Explained]") -> None:
    rows = pd.DataFrame([[one.name, one.label, one.verdict, one.net, f"{one.outside:.0%}"] for one in found])
    columns = ["image", "label", "looks", "to", "map outside the face"]
    console.table("explained", columns, rows.values.tolist())
