from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from ffdi.config.search import Damage
from ffdi.core import keys
from ffdi.core.errors import Paused
from ffdi.core.keys import Draws
from ffdi.core.stop import Stop
from ffdi.data import degraded, operations
from ffdi.data.decode import decode
from tests.fixtures.photographs import picture

SIDE = 96


def test_a_search_may_weigh_every_kind() -> None:
    assert set(get_args(Damage)) == set(degraded.DAMAGES)


@pytest.mark.parametrize("kind", degraded.DAMAGES)
def test_a_copy_is_worse_of_the_same_size_and_depends_on_its_id_alone(kind: str) -> None:
    image = picture(SIDE)
    one, again, other = (degraded.degrade(image, kind, name) for name in ("a", "a", "b"))
    assert one == again
    assert one != other
    copy = decode(one).image_HWC
    assert (copy.shape, copy.dtype) == (image.shape, image.dtype)
    assert 0.2 < np.abs(copy.astype(float) - image).mean() < 40


def test_noise_is_that_of_training_at_any_size_without_its_bank() -> None:
    noise = degraded.DAMAGES["noise"]
    assert noise.apply is not None
    for number, shape in enumerate([(31, 17, 3), (40, 64, 3)]):
        image = keys.rng("picture", number).integers(0, 256, shape, dtype=np.uint8)
        expected = operations.noise(image, noise.span, Draws(number, "noise"))
        np.testing.assert_array_equal(noise.apply(image, noise.span, Draws(number, "noise")), expected)


def test_bands_of_jpeg_are_ever_coarser() -> None:
    image = picture(SIDE)
    sizes = [
        sum(len(degraded.degrade(image, kind, str(name))) for name in range(20))
        for kind in ("jpeg_low", "jpeg", "jpeg_high")
    ]
    assert sizes == sorted(sizes)


def test_a_turn_leaves_black_corners_and_the_middle() -> None:
    copy = decode(degraded.degrade(np.full((SIDE, SIDE, 3), 200, np.uint8), "rotate", "a")).image_HWC
    assert not copy[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (copy[SIDE // 3 : -SIDE // 3, SIDE // 3 : -SIDE // 3] == 200).all()


def test_a_patch_is_one_small_block_of_noise_or_of_the_image() -> None:
    image = picture(SIDE)
    pasted = []
    for name in "abcdefgh":
        copy = decode(degraded.degrade(image, "patch", name)).image_HWC
        rows, columns = np.nonzero((copy != image).any(axis=2))
        block = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        height, width = copy[block].shape[:2]
        assert max(height, width) <= 0.3 * SIDE + 1
        found = np.lib.stride_tricks.sliding_window_view(image, (height, width, 3))[..., 0, :, :, :]
        pasted.append(bool((found == copy[block]).all(axis=(2, 3, 4)).any()))
    assert set(pasted) == {True, False}


def test_copies_are_made_once_and_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"id": list("abc"), "relpath": [f"in/{name}.png" for name in "abc"]})
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.png").write_bytes(degraded.degrade(picture(32), "noise", name))
    (tmp_path / "in" / "c.png").write_bytes(b"not an image")
    made: list[str] = []
    plain = degraded.degrade

    def interrupted(image: np.ndarray, kind: str, name: str) -> bytes:
        if len(made) == 1:
            made.append("killed")
            raise KeyboardInterrupt
        made.append(name)
        return plain(image, kind, name)

    monkeypatch.setattr(degraded, "degrade", interrupted)
    with pytest.raises(KeyboardInterrupt):
        degraded.prepare(rows, tmp_path, tmp_path / "out", ["blur"])
    for _ in range(2):
        degraded.prepare(rows, tmp_path, tmp_path / "out", ["blur"])
    assert made == ["a", "killed", "b"]
    assert sorted(path.name for path in (tmp_path / "out/blur").rglob("*.png")) == ["a.png", "b.png"]


def test_a_stop_is_noticed_between_two_copies(tmp_path: Path) -> None:
    stop = Stop()
    stop.reason = "SIGTERM"
    rows = pd.DataFrame({"id": ["a"], "relpath": ["a.png"]})
    with pytest.raises(Paused, match="SIGTERM"):
        degraded.prepare(rows, tmp_path, tmp_path / "out", ["blur"], stop)


def test_a_sample_keeps_the_share_of_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degraded, "MAX_COPIES", 200)
    rows = pd.DataFrame({"id": [f"{n}" for n in range(1000)], "target": (np.arange(1000) % 5 == 0).astype(int)})
    some = degraded.sample(rows)
    assert len(some) == 200
    assert some["target"].sum() == 40
    mixed = degraded.sample(rows.sample(frac=1, random_state=1).reset_index(drop=True))
    assert set(mixed["id"]) == set(some["id"])
    assert degraded.sample(some) is some
