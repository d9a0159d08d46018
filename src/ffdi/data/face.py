"""Masks of the parts of a face for forgeries, by a template for aligned faces.

Faces of the contest, and of the sample, are aligned by their eyes, so a template serves: it was laid by eye over the
mean of the sample's portraits. Every mask is drawn a little otherwise (shift, size, shape).

Shapes: H x W pixels; masks are float32 in 0..1.
"""

import math

import cv2
import numpy as np

from ffdi.core.keys import Draws

Ellipse = tuple[float, float, float, float]  # centre x, y and radii, as shares of width and height
FACE: Ellipse = (0.5, 0.55, 0.27, 0.36)
PARTS: dict[str, tuple[Ellipse, ...]] = {
    "eyes": ((0.375, 0.39, 0.09, 0.055), (0.64, 0.39, 0.09, 0.055)),
    "nose": ((0.5, 0.51, 0.075, 0.11),),
    "mouth": ((0.5, 0.67, 0.13, 0.065),),
}
JITTER = 0.15  # of the radii: how far centre and radii move
CORNERS = 12  # of the outline; each is pulled in or out, which makes shapes that no ellipse has
WOBBLE = 0.2


def face(shape: tuple[int, ...], draw: Draws) -> np.ndarray:
    """Return the mask of the whole face, hard-edged."""
    return _mask(shape, (FACE,), draw)


def part(shape: tuple[int, ...], draw: Draws) -> np.ndarray:
    """Return the mask of eyes, nose or mouth, whichever is drawn."""
    return _mask(shape, PARTS[draw.pick(tuple(PARTS))], draw)


def soft(mask_HW: np.ndarray, share: float) -> np.ndarray:
    """Return the mask with an edge that fades over about `share` of the image's side, 1 inside."""
    sigma = max(0.5, share * min(mask_HW.shape) / 3)
    return cv2.GaussianBlur(mask_HW, (0, 0), sigma)


def _mask(shape: tuple[int, ...], ellipses: tuple[Ellipse, ...], draw: Draws) -> np.ndarray:
    height, width = shape[:2]
    mask_HW = np.zeros((height, width), np.float32)
    wobble = [1 + WOBBLE * draw.uniform(-1, 1) for _ in range(CORNERS)]
    shift_x, shift_y, scale = (draw.uniform(-1, 1) * JITTER for _ in range(3))
    for x, y, radius_x, radius_y in ellipses:
        points = []
        for corner, reach in enumerate(wobble):
            angle = 2 * math.pi * corner / CORNERS
            far = reach * (1 + scale)
            across = x + radius_x * (shift_x + far * math.cos(angle))
            down = y + radius_y * (shift_y + far * math.sin(angle))
            points.append((round(across * width), round(down * height)))
        cv2.fillConvexPoly(mask_HW, cv2.convexHull(np.array(points, np.int32)), 1.0)
    return mask_HW
