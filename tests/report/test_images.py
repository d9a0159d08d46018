"""Sheets show small upright images, and a placeholder for what cannot be read."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.core import keys
from ffdi.report import images


def encoded(width: int, height: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    pixels = keys.rng("image", width, height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "size", "shown"),
    [
        ("JPEG", "RGB", (600, 400), (180, 120)), ("JPEG", "CMYK", (600, 400), (180, 120)),
        ("PNG", "P", (400, 600), (120, 180)), ("PNG", "RGBA", (600, 400), (180, 120)), ("PNG", "L", (64, 48), (64, 48)),
    ],
)  # fmt: skip
def test_a_thumbnail_is_a_small_jpeg_of_any_format(
    kind: str, mode: str, size: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "a.img").write_bytes(encoded(*size, kind, mode))
    source = images.thumb(tmp_path, "a.img", 1, "").source
    assert source.startswith("data:image/jpeg;base64,")
    small = Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", shown)


def test_sheets_show_placeholders_for_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(encoded(100, 100))
    (tmp_path / "cut.jpg").write_bytes(encoded(100, 100)[:300])
    names = ["good.jpg", "cut.jpg", "gone.jpg", "../outside.jpg"]
    rows = pd.DataFrame({"relpath": names, "target": [1, 0, 1, 0], "note": "logit +1.00"})
    thumbs = images.sheet(rows, tmp_path, "title", "caption").thumbs
    assert [thumb.problem for thumb in thumbs] == ["", "truncated", "missing", "missing"]
    assert [bool(thumb.source) for thumb in thumbs] == [True, False, False, False]
    assert [thumb.label for thumb in thumbs] == ["fake", "original", "fake", "original"]
    assert thumbs[1].alt == "original image cut, truncated"
    assert thumbs[0].caption == "fake, logit +1.00"
