import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.core import keys
from ffdi.data.decode import Defect
from ffdi.report import contact


def encoded(width: int, height: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    image = Image.fromarray(keys.rng("image", width, height).integers(0, 256, (height, width, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


def opened(source: str) -> Image.Image:
    assert source.startswith("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "L")]
)
def test_a_thumbnail_is_a_small_upright_jpeg_of_any_format(kind: str, mode: str) -> None:
    small = opened(contact.thumbnail(encoded(600, 400, kind, mode)))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (contact.SIDE, contact.SIDE * 2 // 3))


def test_a_small_image_is_not_enlarged() -> None:
    assert opened(contact.thumbnail(encoded(64, 48))).size == (64, 48)


@pytest.mark.parametrize("data", [b"", bytes(100), b"<html>not found</html>", encoded(300, 300)[:2000]])
def test_bytes_without_an_image_have_a_named_defect(data: bytes) -> None:
    with pytest.raises(Defect):
        contact.thumbnail(data)


def test_sheets_show_placeholders_for_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(encoded(100, 100))
    (tmp_path / "cut.jpg").write_bytes(encoded(100, 100)[:300])
    names = ["good.jpg", "cut.jpg", "gone.jpg", "../outside.jpg"]
    rows = pd.DataFrame({"relpath": names, "target": [1, 0, 1, 0], "note": "logit +1.00"})
    thumbs = [card.thumbs[0] for card in contact.error_sheet(rows, tmp_path, "title", "caption").cards]
    assert [bool(thumb.source) for thumb in thumbs] == [True, False, False, False]
    assert [thumb.problem for thumb in thumbs] == ["", "truncated", "missing", "missing"]
    assert [thumb.label for thumb in thumbs] == ["fake", "original", "fake", "original"]
    assert thumbs[1].alt == "original image cut, truncated"
    assert thumbs[0].caption == "fake, logit +1.00"


def test_sheets_stop_at_the_most_wanted(tmp_path: Path) -> None:
    rows = pd.DataFrame({"relpath": ["a.jpg"] * 30, "target": 1, "note": ""})
    assert len(contact.error_sheet(rows, tmp_path, "title", "", most=5).cards) == 5


def hexed(bits: np.ndarray) -> str:
    return np.packbits(bits).tobytes().hex()


def hashed(flips: list[int], group: list[int]) -> pd.DataFrame:
    """Rows whose hash differs from that of their group in the first `flips` bits."""
    rows = []
    for number, (flip, code) in enumerate(zip(flips, group, strict=True)):
        bits = keys.rng("group", code).integers(0, 2, 256)
        bits[:flip] ^= 1
        rows.append({"relpath": f"{number:02}.jpg", "target": number % 2, "group": code, "phash256": hexed(bits)})
    return pd.DataFrame(rows).assign(split="train")


def test_nearest_mates_pair_each_image_once_farthest_first() -> None:
    pairs = contact.nearest_mates(hashed([0, 30, 33, 0, 90, 0], [7, 7, 7, 9, 9, 11]))
    found = pairs[["relpath_a", "relpath_b", "distance"]].to_numpy().tolist()
    assert found == [["03.jpg", "04.jpg", 90], ["00.jpg", "01.jpg", 30], ["01.jpg", "02.jpg", 3]]


def test_nearest_mates_do_not_depend_on_row_order() -> None:
    rows = hashed([0, 30, 33, 0, 90, 0], [7, 7, 7, 9, 9, 11])
    pd.testing.assert_frame_equal(contact.nearest_mates(rows), contact.nearest_mates(rows.iloc[::-1]))


def test_nearest_mates_without_groups_is_an_empty_table_of_the_same_shape() -> None:
    pairs = contact.nearest_mates(hashed([0, 0], [1, 2]))
    assert len(pairs) == 0
    assert list(pairs.columns) == list(contact.nearest_mates(hashed([0, 0], [1, 1])).columns)


def test_nearest_mates_limits_work_in_huge_groups() -> None:
    rows = hashed(list(range(40)), [5] * 40)
    assert len(contact.nearest_mates(rows, most_members=10)) == 9  # each with the one before it
    assert len(contact.nearest_mates(hashed([0, 1] * 10, [n // 2 for n in range(20)]), most_groups=3)) == 3
