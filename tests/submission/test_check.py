from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.load import load_competition
from ffdi.core.errors import UserError
from ffdi.submission.check import check, check_bytes, render

COMPETITION = load_competition("multi-ffdi-phase2")
UNIT = st.floats(0, 1, allow_subnormal=True)


def frame_of(score: list[float] | np.ndarray, ids: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"img_name": ids or [f"{i:032x}.jpg" for i in range(len(score))], "y_pred": score}).astype(
        {"img_name": "str"}
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(UNIT, min_size=3, max_size=40, unique=True))
def test_every_float_comes_back_to_the_bit(score: list[float]) -> None:
    frame = frame_of(np.abs(score))
    data = render(frame, COMPETITION)
    back = check_bytes(data, "x", COMPETITION, frame["img_name"].tolist())
    assert (back["y_pred"].to_numpy().view(np.int64) == frame["y_pred"].to_numpy().view(np.int64)).all()
    assert [float(line.split(",")[1]) for line in data.decode().splitlines()[1:]] == frame["y_pred"].tolist()


def test_the_file_is_written_as_kaggle_wants_it(tmp_path: Path) -> None:
    frame = frame_of([0.25, 0.1, 1 / 3])
    data = render(frame, COMPETITION)
    a, b, c = frame["img_name"]
    assert data.decode() == f"img_name,y_pred\n{a},0.25\n{b},0.1\n{c},0.3333333333333333\n"
    (tmp_path / "submission.csv").write_bytes(data)
    found = check(tmp_path / "submission.csv", COMPETITION, frame["img_name"].tolist())
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(8)))
def test_only_the_order_is_repaired(order: list[int]) -> None:
    frame = frame_of(np.arange(8) / 8)
    data = render(frame.iloc[list(order)], COMPETITION)
    found = check_bytes(data, "x", COMPETITION, frame["img_name"].tolist())
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


def test_ids_that_need_quotes_get_them() -> None:
    ids = ["a,b.jpg", 'say "x".jpg', "plain.jpg", "ü.jpg"]
    frame = frame_of([0.1, 0.2, 0.3, 0.4], ids)
    data = render(frame, COMPETITION)
    assert b'"a,b.jpg",0.1\n"say ""x"".jpg",0.2\nplain.jpg,0.3\n' in data
    assert check_bytes(data, "x", COMPETITION, ids)["img_name"].tolist() == ids


def test_a_reference_is_joined_by_id_and_one_without_information_is_passed_over() -> None:
    frame = frame_of(np.arange(20) / 20)
    data, ids = render(frame, COMPETITION), frame["img_name"].tolist()
    check_bytes(data, "x", COMPETITION, ids, reference=pd.Series(np.arange(20.0), index=ids)[::-1])
    check_bytes(data, "x", COMPETITION, ids, reference=pd.Series(1.0, index=ids))
    check_bytes(data, "x", COMPETITION, ids, reference=pd.Series([1.0, 2.0], index=["other", "names"]))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        check(tmp_path / "none.csv", COMPETITION, ["a"])
