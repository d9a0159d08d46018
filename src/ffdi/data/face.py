"""Where the parts of a face lie: masks for forgeries, by a template for aligned faces, or moved to where one was found.

Faces of the contest, and of the sample, are aligned by their eyes, so a template serves: it was laid by eye over the
mean of the sample's portraits. Where the five points of a face are known (data.landmarks), the template is turned,
scaled and shifted onto them. Every mask is drawn a little otherwise (shift, size, shape).

Shapes: H x W pixels; masks are float32 in 0..1. Five points: the eyes, the nose, the corners of the mouth, each pair
from left to right in the image, as shares of width and height.
"""

import math
from dataclasses import dataclass

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
# What the detector finds in the face of the template: its mean over the sample's 406 training portraits.
POINTS_52 = np.array([(0.36, 0.387), (0.645, 0.387), (0.503, 0.561), (0.366, 0.682), (0.639, 0.684)])
JITTER = 0.15  # of the radii: how far centre and radii move
CORNERS = 12  # of the outline; each is pulled in or out, which makes shapes that no ellipse has
WOBBLE = 0.2


@dataclass(frozen=True)
class Place:
    """Where a face lies: the template's point x + iy, in shares, is the pixel turn * (x + iy) + shift."""

    turn: complex
    shift: complex

    @property
    def size(self) -> float:
        """Pixels of the template's side."""
        return abs(self.turn)

    @property
    def angle(self) -> float:
        """Degrees, clockwise as images are seen."""
        return math.degrees(math.atan2(self.turn.imag, self.turn.real))

    def pixel(self, x: float, y: float) -> complex:
        return self.turn * complex(x, y) + self.shift


def place(points_52: np.ndarray, shape: tuple[int, ...]) -> Place | None:
    """The similarity that brings the template's five points nearest to these, by least squares; None if they are NaN.

    Umeyama (1991); without mirroring and in the plane it is one division of complex numbers.
    """
    if np.isnan(points_52).any():
        return None
    height, width = shape[:2]
    found_5 = points_52[:, 0] * width + 1j * points_52[:, 1] * height
    known_5 = POINTS_52[:, 0] + 1j * POINTS_52[:, 1]
    away_5 = known_5 - known_5.mean()
    turn = np.vdot(away_5, found_5 - found_5.mean()) / np.vdot(away_5, away_5).real
    return Place(complex(turn), complex(found_5.mean() - turn * known_5.mean()))


def laid_over(image: np.ndarray, at: Place, onto: Place, shape: tuple[int, ...]) -> np.ndarray:
    """The image, whose face lies `at`, moved so that the face lies `onto`, in another image's shape; edges mirrored."""
    factor = onto.size / at.size
    if factor < 0.5:  # by areas first, or a single step would skip pixels
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        at = Place(at.turn * factor, at.shift * factor)
    turn = onto.turn / at.turn
    shift = onto.shift - turn * at.shift
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    size = (shape[1], shape[0])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def face(shape: tuple[int, ...], draw: Draws, at: Place | None = None) -> np.ndarray:
    """The whole face, hard-edged; `at`: where it was found."""
    return _mask(shape, (FACE,), draw, at)


def part(shape: tuple[int, ...], draw: Draws, at: Place | None = None) -> np.ndarray:
    """Eyes, nose or mouth, whichever is drawn."""
    return _mask(shape, PARTS[draw.pick(tuple(PARTS))], draw, at)


def soft(mask_HW: np.ndarray, share: float) -> np.ndarray:
    """The mask with an edge that fades over about `share` of the image's side, 1 inside."""
    sigma = max(0.5, share * min(mask_HW.shape) / 3)
    return cv2.GaussianBlur(mask_HW, (0, 0), sigma)


def _mask(shape: tuple[int, ...], ellipses: tuple[Ellipse, ...], draw: Draws, at: Place | None) -> np.ndarray:
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
            pixel = complex(across * width, down * height) if at is None else at.pixel(across, down)
            points.append((round(pixel.real), round(pixel.imag)))
        cv2.fillConvexPoly(mask_HW, cv2.convexHull(np.array(points, np.int32)), 1.0)
    return mask_HW
