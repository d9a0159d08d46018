"""Finished folds on degraded copies of what they held out."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.training import degraded
from ffdi.training.job import FoldJob
from tests.fixtures.training import CPU, finished

KINDS = ("jpeg", "noise")


@pytest.fixture
def jobs(make_job: Callable[..., FoldJob]) -> list[FoldJob]:
    return [finished(make_job(fold=fold, epochs=2, tta=("identity", "hflip"))) for fold in (0, 1)]


def test_a_killed_call_goes_on_and_a_second_one_predicts_nothing(
    jobs: list[FoldJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = degraded.predict_images, []

    def third_is_killed(*arguments: object, **options: object) -> pd.DataFrame:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(degraded, "predict_images", third_is_killed)
    place = tmp_path / "degraded"
    wanted = degraded.tables(jobs, KINDS, place)
    with pytest.raises(KeyboardInterrupt):
        degraded.predict(wanted, place, CPU, Stop())
    assert sum(one.is_current for one in wanted) == 2
    for _ in range(2):
        degraded.predict(wanted, place, CPU, Stop())
    assert len(calls) == 5
    logits = degraded.read([one for one in wanted if one.kind == "noise"])
    assert list(logits) == ["tiny"]
    assert sorted(logits["tiny"].index) == sorted(pd.concat([job.oof["id"] for job in jobs]))


def test_what_no_longer_fits_is_predicted_again_and_missing_weights_are_told(
    jobs: list[FoldJob], tmp_path: Path
) -> None:
    wanted = degraded.tables(jobs[:1], ["blur"], tmp_path)
    degraded.predict(wanted, tmp_path, CPU, Stop())
    (jobs[0].folder / "weights.safetensors").unlink()
    degraded.predict(wanted, tmp_path, CPU, Stop())  # nothing is left to do
    checksum.write_table(wanted[0].path, pd.DataFrame({"id": ["a"]}), {**wanted[0].facts, "weights": "others"})
    with pytest.raises(UserError, match=r"fold0/weights\.safetensors does not exist; run `ffdi train` first"):
        degraded.predict(wanted, tmp_path, CPU, Stop())
