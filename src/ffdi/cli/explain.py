"""`ffdi explain`: show where a net looked, in given images or the worst errors."""

from pathlib import Path

import numpy as np

from ffdi.blending import saved
from ffdi.blending.apply import BLEND
from ffdi.cli.project import Project
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.decode import Defect, decode
from ffdi.infer.nets import Net
from ffdi.infer.saliency import GradCAM
from ffdi.kernels import infer
from ffdi.kernels.scorer import load_team
from ffdi.report.explain import Explained
from ffdi.report.page import page_of, show
from ffdi.report.table import LABELS

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
    found = _explained(_worst(project, worst) if worst else _given(images, pack or project.pack_folder()))
    inputs = {"manifest": checksum.digest(project.places.manifest)} if project.places.manifest.exists() else {}
    told = ("The blend's worst errors, explained", UNSEEN) if worst else ("Images explained", PACKED)
    show(project.places.report("explain"), page_of("explain", found, *told, inputs))


Case = tuple[Net, str, str, str, np.ndarray]  # the net to explain; the image's name, label, score and pixels


def _given(images: list[Path], pack: Path) -> list[Case]:
    """Return images for the first fold model of the member with most weight."""
    team = load_team(pack)
    pixels = {path: _read(path) for path in images}  # before weights are loaded: a wrong name is told at once
    net, said = infer.nets(team.pack)[0], "The team gives it P(fake)"
    return [
        (net, str(path), "unlabelled", f"{said} {team.score_pixels(image_HWC):.3f}", image_HWC)
        for path, image_HWC in pixels.items()
    ]


def _worst(project: Project, most: int) -> list[Case]:
    """Return the held-out images whose blended score is farthest from their label."""
    blend = saved.load(project.recipe, project.competition, project.places)
    oof, weights = blend.oof.dropna(subset=[BLEND]), blend.weights
    if oof.empty:
        raise UserError("No member of this recipe held images out, so there is no honest error; name images.")
    order = oof.assign(error=(oof["target"] - oof[BLEND]).abs()).sort_values(["error", "id"], ascending=[False, True])
    member = max((name for name in weights if oof[name].notna().all()), key=weights.__getitem__)
    mine = [job for job in project.jobs() if job.member.name == member]
    nets = {job.fold: Net(job.member, job.fold, job.folder.weights) for job in mine}
    found = []
    for row in order.head(most).to_dict("records"):
        score = f"The blend gives it {row[BLEND]:.3f} (0 original, 1 fake)"
        image_HWC = _read(inside(project.images, row["relpath"]))
        found.append((nets[row["fold"]], row["id"], LABELS[row["target"]], score, image_HWC))
    return found


def _explained(cases: list[Case]) -> list[Explained]:
    found, by_fold = [], dict[int | str, GradCAM]()
    with console.progress("explain", len(cases)) as meter:
        for net, name, label, score, image_HWC in cases:
            explain = by_fold.get(net.fold) or by_fold.setdefault(net.fold, GradCAM(net))
            saliency, whose = explain(image_HWC), f"{net.member.name} fold {net.fold}"
            found.append(Explained(name, label, score, whose, image_HWC, saliency.cells_hw, saliency.logit))
            meter.advance(1)
    return found


def _read(path: Path) -> np.ndarray:
    try:
        return decode(path.read_bytes()).image_HWC
    except (OSError, Defect) as error:
        raise UserError(
            f"{path} cannot be explained: {getattr(error, 'strerror', None) or error}; name image files."
        ) from error
