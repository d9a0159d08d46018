import numpy as np
import pytest

from ffdi.blending.cost import MEMBERS, MINUTES, PARAMETERS, costs, minutes, parameters
from ffdi.core import checksum
from tests.blending.contest import Contest, K


def test_parameters_are_read_off_the_weights(contest: Contest) -> None:
    assert parameters(contest.jobs()) == {}
    arrays = {"head.weight": np.zeros((3, 4), np.float32), "head.bias": np.zeros(3, np.float32)}
    arrays |= {"norm.running_mean": np.zeros(9, np.float32), "golden/images_BHWC": np.zeros((1, 2, 2, 3), np.float32)}
    checksum.write_tensors(contest.job("one", 0).folder / "weights.safetensors", arrays)
    assert parameters(contest.jobs()) == {"one": 15}


def test_minutes_add_up_over_folds_and_ask_for_all_of_them(contest: Contest) -> None:
    assert minutes(contest.jobs()) == {}
    for job in contest.jobs():
        checksum.write_json(job.folder / "speed.json", {"images_per_second": 2.0})
    each = len(contest.jobs()[0].test) / 2 / 60
    assert minutes(contest.jobs()) == pytest.approx({"one": K * each, "two": K * each, "whole": each})
    contest.job("two", 1).folder.joinpath("speed.json").unlink()
    assert set(minutes(contest.jobs())) == {"one", "whole"}


def test_what_is_known_of_all_members_counts(contest: Contest) -> None:
    def units() -> list[str]:
        return [cost.unit for cost in costs(contest.recipe, contest.competition, contest.jobs())]

    assert units() == [MEMBERS]
    for job in contest.jobs():
        checksum.write_tensors(job.folder / "weights.safetensors", {"a": np.zeros(3, np.float32)})
    assert units() == [PARAMETERS]
    for job in contest.jobs():
        checksum.write_json(job.folder / "speed.json", {"images_per_second": 2.0})
    assert units() == [MINUTES, PARAMETERS]
