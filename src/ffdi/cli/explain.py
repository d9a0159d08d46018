"""`ffdi explain`: show where a net looked, in given images or the worst errors."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ffdi.cli.project import Project
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.decode import Defect, decode
from ffdi.report.page import page_of, show

if TYPE_CHECKING:
    from ffdi.report.explain import Explained

UNSEEN = (
    "Each image is explained by a net that did not train on it: the fold model that held it out, of the member with "
    "most weight in the blend."
)
PACKED = (
    "The net shown is one fold model of the packed member with most weight. If it trained on an image given here, its "
    "verdict on that one says little."
)


def run(images: list[Path], worst: int, project: Project, pack: Path | None) -> None:
    """Explain images, or the worst errors of the blend.

    Args:
        images: To explain by a packed team; none with `worst`.
        worst: How many of the blend's worst errors to explain, by the models that had not seen them.
        project: Of the blend.
        pack: The packed team; None: the recipe's.
    """
    if bool(images) == bool(worst):
        raise UserError("Name images, or ask for the worst errors with --worst N: one of the two.")
    if worst and pack is not None:
        raise UserError(
            "--worst explains each image by the fold model that did not see it; leave --pack away, or name images."
        )
    found = list(_worst(project, worst) if worst else _given(images, pack or project.pack_folder()))
    inputs = {"manifest": checksum.digest(project.places.manifest)} if project.places.manifest.exists() else {}
    told = ("The blend's worst errors, explained", UNSEEN) if worst else ("Images explained", PACKED)
    show(project.places.report("explain"), page_of("explain", found, *told, inputs))


def _given(images: list[Path], pack: Path) -> "Iterator[Explained]":
    """Explain by the first fold model of the member with most weight."""
    from ffdi.infer.saliency import GradCAM
    from ffdi.kernels import infer
    from ffdi.kernels.scorer import load_team
    from ffdi.report.explain import Explained

    team = load_team(pack)
    pixels = {path: _read(path) for path in images}  # before weights are loaded: a wrong name is told at once
    net = infer.nets(team.pack)[0]
    explain, name = GradCAM(net), f"{net.member.name} fold {net.fold}"
    with console.progress("explain", len(pixels)) as meter:
        for path, image_HWC in pixels.items():
            score, saliency = f"The team gives it P(fake) {team.score_pixels(image_HWC):.3f}", explain(image_HWC)
            yield Explained(str(path), "unlabelled", score, name, image_HWC, saliency.cells_hw, saliency.logit)
            meter.advance(1)


def _worst(project: Project, most: int) -> "Iterator[Explained]":
    """Explain the held-out images whose blended score is farthest from their label."""
    from ffdi.blending import saved
    from ffdi.blending.apply import BLEND
    from ffdi.infer.nets import Net
    from ffdi.infer.saliency import GradCAM
    from ffdi.report.explain import Explained
    from ffdi.report.table import LABELS

    blend = saved.load(project.recipe, project.competition, project.places)
    oof, weights = blend.oof.dropna(subset=[BLEND]), blend.weights
    if oof.empty:
        raise UserError("No member of this recipe held images out, so there is no honest error; name images.")
    order = oof.assign(error=(oof["target"] - oof[BLEND]).abs()).sort_values(["error", "id"], ascending=[False, True])
    member = max((name for name in weights if oof[name].notna().all()), key=weights.__getitem__)
    mine = [job for job in project.jobs() if job.member.name == member]
    nets = {job.fold: Net(job.member, job.fold, job.folder.weights) for job in mine}
    rows = order.head(most)
    explain = {fold: GradCAM(nets[fold]) for fold in rows["fold"].unique()}
    with console.progress("explain", len(rows)) as meter:
        for row in rows.to_dict("records"):
            image_HWC = _read(inside(project.images, row["relpath"]))
            saliency = explain[row["fold"]](image_HWC)
            score, name = f"The blend gives it {row[BLEND]:.3f} (0 original, 1 fake)", f"{member} fold {row['fold']}"
            yield Explained(row["id"], LABELS[row["target"]], score, name, image_HWC, saliency.cells_hw, saliency.logit)
            meter.advance(1)


def _read(path: Path) -> np.ndarray:
    try:
        return decode(path.read_bytes()).image_HWC
    except (OSError, Defect) as error:
        raise UserError(
            f"{path} cannot be explained: {getattr(error, 'strerror', None) or error}; name image files."
        ) from error
