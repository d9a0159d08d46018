from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.config import augment as spec
from ffdi.config.augment import Augment
from ffdi.report.policy_sheet import pinned, sheet

Contest = tuple[Path, pd.DataFrame]
OFF = {name: False for name in Augment.model_fields if name != "library"}


def test_ranges_are_pinned_from_weak_to_strong() -> None:
    at = [pinned(spec.Jpeg(quality=(40, 90)), strength) for strength in (0, 0.5, 1)]
    assert [one.quality for one in at] == [(90, 90), (65, 65), (40, 40)]  # type: ignore[attr-defined]
    assert {one.p for one in at} == {1.0}
    at = [pinned(spec.Blur(sigma=(0.4, 1.2)), strength) for strength in (0, 1)]
    assert [one.sigma for one in at] == [(0.4, 0.4), (1.2, 1.2)]  # type: ignore[attr-defined]
    at = [pinned(spec.Gamma(gamma=(0.5, 1.25)), strength) for strength in (0, 1)]
    assert [one.gamma for one in at] == [(1.0, 1.0), (0.5, 0.5)]  # type: ignore[attr-defined]
    assert pinned(spec.Colour(hue=6.0), 0.5).hue == 3.0  # type: ignore[attr-defined]
    assert pinned(spec.Motion(length=(3, 9)), 0.5).length == (5, 5)  # type: ignore[attr-defined]
    assert pinned(spec.Grid(limit=0.3), 0.0).limit > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OFF)
def test_every_operation_takes_every_strength(name: str) -> None:
    wish = getattr(Augment.model_validate({name: True}), name)
    for strength in (0.0, 1 / 3, 0.5, 1.0):
        Augment.model_validate({name: pinned(wish, strength).model_dump()})


def test_a_sheet_shows_both_classes_and_each_operation_alone(contest: Contest) -> None:
    folder, rows = contest
    policy = Augment.model_validate(OFF | {"jpeg": True, "cutout": True, "hflip": True, "blur": {"p": 0}})
    whole, alone = sheet(policy, rows[rows["split"] == "train"], folder, 32)
    assert [card.thumbs[0].label for card in whole.cards] == ["original", "fake", "original", "fake"]
    assert [thumb.caption for thumb in whole.cards[0].thumbs] == ["as it is", "low", "middle", "high"]
    assert "Not shown: hflip, p = 0.5" in whole.caption
    assert [card.caption.split(",")[0] for card in alone.cards] == ["cutout", "jpeg"]
    assert alone.cards[0].thumbs[0].label == "fake"  # the class it is for
    assert len({thumb.source for thumb in alone.cards[1].thumbs}) == 4
    assert sheet(policy, rows[rows["split"] == "train"].sample(frac=1, random_state=1), folder, 32) == (whole, alone)


def test_without_images_or_operations_there_is_no_sheet(contest: Contest, tmp_path: Path) -> None:
    folder, rows = contest
    assert sheet(Augment.model_validate(OFF), rows, folder, 32) == ()
    assert sheet(Augment(), rows, tmp_path, 32) == ()


def test_broken_images_are_passed_over(contest: Contest, tmp_path: Path) -> None:
    folder, rows = contest
    some = rows[rows["split"] == "train"].head(8)
    for relpath in some["relpath"]:
        (tmp_path / relpath).parent.mkdir(exist_ok=True)
        (tmp_path / relpath).write_bytes(b"no image")
    name = some["relpath"].iloc[3]
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole, _ = sheet(Augment(), some, tmp_path, 32)
    assert len(whole.cards) == 1
    assert np.all([thumb.source for thumb in whole.cards[0].thumbs])
