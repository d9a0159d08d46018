from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.decode import decode
from ffdi.search import degraded
from tests.data.test_operations import picture

KINDS = ("jpeg", "blur", "noise", "resize")


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_worse_of_the_same_size_and_depends_on_its_id_alone(kind: str) -> None:
    image = picture(96)
    one, again, other = (degraded.degrade(image, kind, name) for name in ("a", "a", "b"))
    assert one == again
    assert one != other
    copy = decode(one).image_HWC
    assert (copy.shape, copy.dtype) == (image.shape, image.dtype)
    assert 0.5 < np.abs(copy.astype(float) - image).mean() < 40


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


def test_a_sample_keeps_the_share_of_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degraded, "MOST", 200)
    rows = pd.DataFrame({"id": [f"{n}" for n in range(1000)], "target": (np.arange(1000) % 5 == 0).astype(int)})
    some = degraded.sample(rows)
    assert len(some) == 200
    assert some["target"].sum() == 40
    mixed = degraded.sample(rows.sample(frac=1, random_state=1).reset_index(drop=True))
    assert set(mixed["id"]) == set(some["id"])
    assert degraded.sample(some) is some
