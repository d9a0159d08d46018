import hashlib
import math

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ffdi.core.keys import Draws
from ffdi.data import face
from ffdi.data.face import Place

SIDES = st.integers(40, 700)
TURNS = st.builds(lambda size, angle: size * complex(math.cos(angle), math.sin(angle)),
                  st.floats(20, 900), st.floats(-3.1, 3.1))  # fmt: skip
SHIFTS = st.builds(complex, st.floats(-300, 300), st.floats(-300, 300))


def points_of(at: Place, height: int, width: int) -> np.ndarray:
    """The template's points where this place puts them, as shares."""
    pixels = np.array([at.pixel(x, y) for x, y in face.POINTS_52])
    return np.stack([pixels.real / width, pixels.imag / height], axis=1)


@given(TURNS, SHIFTS, SIDES, SIDES)
def test_a_turn_a_scale_and_a_shift_are_recovered(turn: complex, shift: complex, height: int, width: int) -> None:
    at = Place(turn, shift)
    found = face.place(points_of(at, height, width), (height, width, 3))
    assert found is not None
    assert abs(found.turn - turn) < 1e-6 * abs(turn)
    assert abs(found.shift - shift) < 1e-6 * (abs(turn) + abs(shift))
    assert math.isclose(found.size, abs(turn), rel_tol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10), TURNS, SHIFTS)
def test_no_other_similarity_is_nearer(shares: list[float], turn: complex, shift: complex) -> None:
    """Whatever the points are, mirrored ones included."""
    points_52 = np.array(shares).reshape(5, 2)
    found = face.place(points_52, (100, 200))
    assert found is not None

    def far(at: Place) -> float:
        return float(np.square((points_of(at, 100, 200) - points_52) * (200, 100)).sum())

    assert far(found) <= far(Place(turn, shift)) + 1e-6
    assert far(found) <= far(Place(found.turn * 1.01, found.shift)) + 1e-6


def test_where_nothing_was_found_is_no_place() -> None:
    assert face.place(np.full((5, 2), np.nan), (100, 100)) is None


def test_masks_of_the_template_stay_what_they_were() -> None:
    """To the byte: runs and sets of fakes that people have were made with these."""
    made = hashlib.sha256()
    for key in range(60):
        for shape in ((96, 96), (131, 111), (512, 300)):
            made.update(face.face(shape, Draws(key, "a")).tobytes())
            made.update(face.part(shape, Draws(key, "b")).tobytes())
    assert made.hexdigest() == "423078bcd45dc3c17c3e12354f9e5ce931570227a30a0ff85e0c0aed29853d26"


@given(st.integers(0, 2**40), st.floats(0.4, 0.8), st.floats(-0.5, 0.5), st.sampled_from([face.face, face.part]))
def test_masks_move_with_the_face(key: int, scale: float, angle: float, mask: object) -> None:
    assert callable(mask)
    side = 300
    at = Place(side * scale * complex(math.cos(angle), math.sin(angle)), complex(60, 40))
    here, there = mask((side, side), Draws(key, "m")), mask((side, side), Draws(key, "m"), at)
    turn, shift = at.turn / side, at.shift
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    moved = cv2.warpAffine(here, matrix, (side, side))
    both = np.minimum(moved, there).sum() / np.maximum(moved, there).sum()
    assert both > 0.85  # corners are rounded to whole pixels, and a part is small
    upright = mask((side, side), Draws(key, "m"), Place(complex(side), 0j))
    assert np.array_equal(upright, here)


def test_a_face_is_laid_over_a_face() -> None:
    """Dots at the five points of one land on those of the other, sizes and shapes of the images apart."""
    for size in (80.0, 300.0):  # made smaller by areas, and not
        theirs, ours = Place(turned(300.0, 0.3), 90 + 20j), Place(turned(size, -0.2), 30 + 40j)
        image = np.zeros((420, 460, 3), np.uint8)
        for x, y in face.POINTS_52:
            spot = theirs.pixel(x, y)
            cv2.circle(image, (round(spot.real), round(spot.imag)), 8, (255, 255, 255), -1)
        laid = face.laid_over(image, theirs, ours, (360, 330, 3))
        assert laid.shape == (360, 330, 3)
        for x, y in face.POINTS_52:
            spot = ours.pixel(x, y)
            assert laid[round(spot.imag), round(spot.real)].min() > 120


def turned(size: float, angle: float) -> complex:
    return size * complex(math.cos(angle), math.sin(angle))
