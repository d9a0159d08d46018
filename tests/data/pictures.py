"""Pictures, encoded files and competition folders for the tests of what reads them."""

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from ffdi.config.competition import Competition, Split
from ffdi.core import keys

CONTEST = Competition(
    name="tiny",
    title="Tiny",
    slug="tiny",
    id_column="img_name",
    target_column="target",
    prediction_column="y_pred",
    submissions_per_day=2,
    train=Split(labels="train.txt", images="train"),
    test=Split(labels="test.txt", images="test", has_target=False),
)


def portrait(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A smooth coloured picture of `size` (width, height)."""
    small = keys.rng("portrait", seed, *size).integers(0, 256, (7, 6, 3), dtype="uint8")
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, size: tuple[int, int] = (48, 40)) -> bytes:
    return saved(portrait(size, seed), "JPEG", quality=90)


def contest_folder(folder: Path, train: Mapping[str, bytes], test: Mapping[str, bytes] | None = None) -> Path:
    """The images by name and their tables; targets alternate. Without `test`, the test is one good picture."""
    splits = {"train": train, "test": test or {"t.jpg": jpeg(99)}}
    for split, images in splits.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for name, data in images.items():
            (folder / split / name).write_bytes(data)
    labels = [f"{name},{number % 2}" for number, name in enumerate(splits["train"])]
    (folder / "train.txt").write_text("\n".join(["img_name,target", *labels]))
    (folder / "test.txt").write_text("\n".join(["img_name", *splits["test"]]))
    return folder
