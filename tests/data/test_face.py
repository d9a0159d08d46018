import hashlib

from ffdi.core.keys import Draws
from ffdi.data import face


def test_masks_of_the_template_stay_what_they_were() -> None:
    """To the byte: runs and sets of fakes that people have were made with these."""
    made = hashlib.sha256()
    for key in range(60):
        for shape in ((96, 96), (131, 111), (512, 300)):
            made.update(face.face(shape, Draws(key, "a")).tobytes())
            made.update(face.part(shape, Draws(key, "b")).tobytes())
    assert made.hexdigest() == "423078bcd45dc3c17c3e12354f9e5ce931570227a30a0ff85e0c0aed29853d26"
