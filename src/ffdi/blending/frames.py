"""Predictions that come from anywhere, as frames or CSVs: joined by id, checked, and made a team.

Shapes: N rows of the OOF, T rows of the test.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending.methods import Array
from ffdi.blending.oof import MemberLogits, Team
from ffdi.core.errors import UserError

Frames = pd.DataFrame | str | Path | Sequence[pd.DataFrame | str | Path]
TARGETS = ("target", "label")
NO_PREDICTIONS = ("target", "fold", "group")  # other columns that an OOF may have


def joined(given: Frames, what: str) -> pd.DataFrame:
    """Return one frame by id as text; `attrs["ids"]` has the ids as given. Columns of one name are numbered."""
    several = [given] if isinstance(given, pd.DataFrame | str | Path) else list(given)
    if not several:
        raise UserError(f"No {what} predictions are given; name at least one frame or CSV.")
    frames = [_by_id(one, what) for one in several]
    columns = [name for _, frame in frames for name in frame.columns if name not in NO_PREDICTIONS]
    joined = pd.DataFrame(index=frames[0][1].index)
    joined.attrs["ids"] = frames[0][1].attrs["ids"]
    for number, (where, frame) in enumerate(frames, 1):
        missing = joined.index.symmetric_difference(frame.index)
        if len(missing):
            raise UserError(
                f"{where} and {frames[0][0]} have different ids: {missing[0]} is in one of them only "
                f"({len(missing)} such ids)."
            )
        for name in frame.columns:
            column = frame[name].reindex(joined.index)
            if name in NO_PREDICTIONS:
                if name in joined and not joined[name].astype(object).equals(column.astype(object)):  # 1 and 1.0 agree
                    raise UserError(f"{where} and {frames[0][0]} disagree in the column {name}.")
                joined[name] = column
            else:
                called = name if columns.count(name) == 1 else f"{name}_{number}"
                if called in joined:
                    raise UserError(f"{where}: a column of another file is called {called} too; rename one of them.")
                joined[called] = column
    return joined


def _by_id(given: pd.DataFrame | str | Path, what: str) -> tuple[str, pd.DataFrame]:
    """Return (its name in messages, the frame by id with a column target, if it has labels)."""
    where, frame = f"the {what} frame", given
    if not isinstance(given, pd.DataFrame):
        where = str(given)
        try:
            names = pd.read_csv(given, nrows=0).columns
            ids = {"id" if "id" in names else names[0]: str}  # an id may begin with zeros, or be the text NA
            frame = pd.read_csv(given, dtype=ids, keep_default_na=False, na_values={"group": ["", "NA", "nan", "None"]})
        except (OSError, ValueError, IndexError) as error:
            raise UserError(f"{where} is not a CSV that can be read: {error}.") from error
    assert isinstance(frame, pd.DataFrame)
    if frame.empty:
        raise UserError(f"{where} holds no predictions.")
    if frame.index.name is None or (frame.index.name != "id" and "id" in frame):
        frame = frame.set_index("id" if "id" in frame else frame.columns[0])
    frame = frame.copy()
    frame.attrs["ids"] = frame.index
    frame.index = frame.index.astype(str)
    twice = frame.index[frame.index.duplicated()]
    if len(twice):
        raise UserError(f"{where}: the id {twice[0]} is there more than once ({len(twice)} such rows).")
    frame = frame.rename(columns=lambda name: "target" if str(name).lower() in TARGETS else str(name))
    again = frame.columns[frame.columns.duplicated()]
    if len(again):
        raise UserError(f"{where}: the column {again[0]} is there more than once (label is read as target).")
    for name in frame.columns.difference(["group"]):
        if not pd.api.types.is_numeric_dtype(frame[name]) or not np.isfinite(frame[name].astype(float)).all():
            raise UserError(f"{where}: the column {name} holds something that is no finite number.")
    return where, frame


def matched(oof: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """Return the prediction columns. Raise UserError if the two frames do not fit together."""
    if "target" not in oof:
        raise UserError("The OOF predictions have no column target (or label).")
    if not set(oof["target"].unique()) == {0, 1}:
        raise UserError("The column target of the OOF predictions must hold 0 and 1, both of them.")
    mine, theirs = ([name for name in frame.columns if name not in NO_PREDICTIONS] for frame in (oof, test))
    if not mine or set(mine) != set(theirs):
        raise UserError(
            f"The OOF has the prediction columns {', '.join(mine) or '-'}, the test has {', '.join(theirs) or '-'}; "
            "give both the same names, or lists of files in the same order."
        )
    return sorted(mine)


def team_of(oof: pd.DataFrame, test: pd.DataFrame, names: list[str]) -> Team:
    """Return a team of columns, as if the kit had trained them.

    Args:
        oof: By id: target, optional fold and group, and a column a member.
        test: By id: a column a member.
        names: Of the members.
    """
    rows = oof[[name for name in NO_PREDICTIONS if name in oof]].assign(id=oof.index)
    rows = rows.assign(fold=rows.get("fold", 0), split="oof", relpath="").reset_index(drop=True)
    if "group" in rows:
        code_N = pd.factorize(rows["group"], sort=True)[0]  # -1: no group, so a row of its own
        rows["group"] = np.where(code_N < 0, len(rows) + np.arange(len(rows)), code_N)
    asked = pd.DataFrame({"id": test.index, "relpath": "", "target": -1, "imputed": False})

    def member(name: str) -> MemberLogits:
        oof_N, test_T = oof[name].to_numpy(np.float64), test[name].to_numpy(np.float64)
        if min(oof_N.min(), test_T.min()) >= 0 and max(oof_N.max(), test_T.max()) <= 1:
            oof_N, test_T = _logits(oof_N), _logits(test_T)
        return MemberLogits(name, "", oof_N, np.empty((1, 0)), test_T[None], {})

    return Team(tuple(member(name) for name in names), rows, asked.iloc[:0], asked)


def _logits(probability_N: Array) -> Array:
    clipped_N = np.clip(probability_N, 1e-300, 1 - 2**-53)
    return np.log(clipped_N) - np.log1p(-clipped_N)
