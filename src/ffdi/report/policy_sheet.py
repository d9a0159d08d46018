"""Show an augmentation on a face: real images, and three draws of each operation.

Keys are fixed, so the sheet of one policy is always the same.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.augment import Augment
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.augment import compile
from ffdi.data.decode import Defect, decode
from ffdi.report.images import jpeg
from ffdi.report.page import Card, Gallery, Thumb
from ffdi.report.style import LABELS

DRAWS = 3
SIDE, QUALITY = 192, 92  # of a thumbnail: finer than on other sheets, so that compression can be seen

Face = tuple[np.ndarray, int]  # uint8 RGB pixels and target


def sheet(policy: Augment, rows: pd.DataFrame, folder: Path, size: int, limit: int = 4) -> tuple[Gallery, ...]:
    """Return a gallery of the policy, and of each operation alone; none if no image can be read.

    Args:
        policy: Its operations are always applied here, whatever their probability.
        rows: Columns id, relpath, target of candidates; as many originals as fakes are taken.
        folder: Where each relpath starts.
        size: Side of an image in training, pixels.
        limit: Images of the whole policy.
    """
    faces = _faces(rows, folder, limit)
    certain = {name: operation for name in Augment.model_fields if (operation := _always(getattr(policy, name)))}
    if not faces or not certain:
        return ()
    cards = [_card(_fitting(operation, faces), {name: operation}, size, name) for name, operation in certain.items()]
    together = "The image, then draws of all operations at once. In training each has its own probability."
    return (
        Gallery("The whole policy", tuple(_card(face, certain, size) for face in faces), together),
        Gallery("Each operation alone", tuple(cards), "The image, then draws of one operation."),
    )


def _always(operation: Any) -> Any:
    """Return an operation, or a tuple of library transforms, at p = 1 as a recipe writes it; None if it is off."""
    if isinstance(operation, tuple):
        return [one.model_dump() | {"p": 1.0} for one in operation if one.p > 0] or None
    return operation.model_dump() | {"p": 1.0} if operation and operation.p > 0 else None


def _fitting(operation: Any, faces: list[Face]) -> Face:
    """Return the first image of the class that the operation is for."""
    only = (operation[0] if isinstance(operation, list) else operation).get("on", "all")
    return next((face for face in faces if only in ("all", ("real", "fake")[face[1]])), faces[0])


def _card(face: Face, operations: dict[str, Any], size: int, caption: str = "") -> Card:
    image_HWC, target = face
    off: dict[str, Any] = {name: False for name in Augment.model_fields if name != "library"}
    plain, augment = (compile(Augment.model_validate(off | added), size) for added in ({}, operations))
    shown = {"the image": plain(image_HWC, target, 0)}
    for draw in range(DRAWS):
        shown[f"draw {draw + 1}"] = augment(image_HWC, target, keys.key("policy sheet", draw))
    label = LABELS[target]
    thumbs = (Thumb(jpeg(made, SIDE, QUALITY), f"{label}, {told}", told, label=label) for told, made in shown.items())
    return Card(tuple(thumbs), caption)


def _faces(rows: pd.DataFrame, folder: Path, limit: int) -> list[Face]:
    """Return originals and fakes in turn, in an order that depends on their ids only."""
    order = rows.assign(key=[keys.key("policy sheet", name) for name in rows["id"]]).sort_values("key")
    order = order.assign(turn=order.groupby("target").cumcount()).sort_values(["turn", "target"])
    found: list[Face] = []
    for relpath, target in order.head(4 * limit)[["relpath", "target"]].itertuples(index=False):
        try:
            found.append((np.ascontiguousarray(decode(inside(folder, relpath).read_bytes()).image_HWC), int(target)))
        except (Defect, OSError, UserError):
            continue
    return found[:limit]
