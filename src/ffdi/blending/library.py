"""`ffdi.blend`, `ffdi.read_oof` and `ffdi.read_test`: the blend as a library."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ffdi.blending.apply import BLEND, apply
from ffdi.blending.choose import decide
from ffdi.blending.frames import Frames, joined, matched, team_of
from ffdi.blending.nested import honest_table
from ffdi.blending.oof import canonical
from ffdi.config.load import validate
from ffdi.config.recipe import Blend
from ffdi.core import atomic, checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import MANIFEST


@dataclass(frozen=True)
class BlendOfFrames:
    """The result of `ffdi.blend`.

    Attributes:
        test: columns id and score, in the order of the test predictions; scores lie in (0, 1).
        weights: by prediction column, sum 1.
        table: one row a method: in-sample AUC, nested AUC with its interval, gain over rank_mean; empty for one column.
        method: the method that blends.
        why: one sentence that says why this method.
    """

    test: pd.DataFrame
    weights: dict[str, float]
    table: pd.DataFrame
    method: str
    why: str

    def write_submission(self, path: str | Path, prediction_column: str = "y_pred") -> Path:
        """Write `test` as a CSV, whole or not at all, and return its path. The name of the ids' column is kept."""
        frame = self.test.rename(columns={"score": prediction_column})
        atomic.write_text(Path(path), frame.to_csv(index=False, lineterminator="\n"))
        return Path(path)


def blend(oof: Frames, test: Frames, method: str = "auto", weights: dict[str, float] | None = None) -> BlendOfFrames:
    """Blend predictions that come from anywhere.

    Args:
        oof: out-of-fold predictions: a frame, a CSV, or a list of these, joined by id. Columns: an id (the index named
            id, a column `id`, an index of another name, or the first column), `target` or `label` (0 or 1, in at least
            one of them), one or more predictions, and if known `fold` and `group` (near-duplicates share a label).
        test: predictions of the test, with the same prediction columns; a list in the order of `oof`.
        method: "auto" (the simplest within one standard error of the best) or a name such as "rank_mean".
        weights: by prediction column; they replace those that the method would fit.

    Returns:
        Scores of the test, weights, and the honest table.

    Raises:
        UserError: ids, columns or values do not fit together; one sentence says where.

    Example:
        >>> oof = pd.DataFrame({"id": range(8), "target": [0, 1] * 4, "a": [.2, .9, .1, .6, .4, .7, .3, .8],
        ...                     "b": [.1, .7, .4, .8, .2, .3, .5, .9]})
        >>> test = pd.DataFrame({"id": [20, 21, 22], "a": [.1, .8, .5], "b": [.2, .9, .3]})
        >>> found = blend(oof, test, method="rank_mean")
        >>> found.test["score"].round(3).tolist()
        [0.167, 0.833, 0.5]
    """
    known, ids = joined(oof, "OOF"), joined(test, "test")
    names = matched(known, ids)
    team = canonical(team_of(known, ids, names))
    config = validate(Blend, {"method": method, "weights": weights or {}}, "ffdi.blend")
    unknown = sorted(set(config.weights) - set(names))
    if unknown:
        raise UserError(f"weights names {unknown[0]!r}, which is no prediction column; there are {', '.join(names)}.")
    choice = decide(config, team)
    blended = apply(team, choice.method, config.weights)
    table = pd.DataFrame() if choice.found is None else honest_table(choice.found, choice.row)
    score = blended.test.set_index("id")[BLEND]
    frame = pd.DataFrame({ids.index.name: ids.attrs["ids"], "score": score.loc[ids.index].to_numpy()})
    return BlendOfFrames(frame, blended.weights, table, choice.method.name, choice.why)


def read_oof(folder: str | Path) -> pd.DataFrame:
    """Read out-of-fold logits of finished runs.

    Args:
        folder: a work folder (`work/<competition>/<data>`), for all its runs, or one run folder below its `runs`.

    Returns:
        A frame by id with the columns target, fold, and one a member: the mean logit over its views.

    Raises:
        UserError: there is no run, or two runs were trained on different folds.

    Example:
        >>> read_oof("work/multi-ffdi-phase2/sample").columns.tolist()  # doctest: +SKIP
        ['target', 'fold', 'lite0', 'lite1']
    """
    found = _runs(Path(folder), "oof")
    folds = pd.concat([frame["fold"].rename(name) for name, frame in found.items()], axis=1)
    fold = folds.bfill(axis=1).iloc[:, 0]
    different = folds.ne(fold, axis=0) & folds.notna()
    if different.any(axis=None):
        name = str(different.any().idxmax())
        raise UserError(
            f"{folder}: {name} was trained on other folds than {folds.columns[0]}; read each run folder by itself."
        )
    members = {name: frame["logit"] for name, frame in found.items()}
    return pd.DataFrame({"target": _targets(Path(folder)).reindex(fold.index), "fold": fold.astype(int), **members})


def read_test(folder: str | Path) -> pd.DataFrame:
    """Read test logits of finished runs, from a folder as for `read_oof`.

    Returns:
        A frame by id with one column a member: the mean logit over its fold models and views.

    Example:
        >>> ffdi.read_test("work/multi-ffdi-phase2/sample")  # doctest: +SKIP
    """
    return pd.DataFrame({name: frame["logit"] for name, frame in _runs(Path(folder), "test").items()})


def _runs(folder: Path, table: str) -> dict[str, pd.DataFrame]:
    """Return by member a frame by id with the columns fold and logit; an unreadable image has its model's median."""
    patterns = (f"fold*/{table}.parquet", f"runs/*/fold*/{table}.parquet")
    paths = sorted(path for pattern in patterns for path in folder.resolve().glob(pattern))
    if not paths:
        raise UserError(f"{folder} holds no {table}.parquet of a run; name a work folder or a run folder.")
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        frame = checksum.read_table(path, ["id", "logit"]).groupby("id")["logit"].mean()
        parts.setdefault(path.parent.parent.name, []).append(frame.to_frame().assign(fold=path.parent.name[4:]))
    short = [name.rpartition("-")[0] for name in parts]
    names = [one if short.count(one) == 1 else name for one, name in zip(short, parts, strict=True)]
    joined = [pd.concat(frames).groupby("id").agg({"logit": "mean", "fold": "first"}) for frames in parts.values()]
    return dict(zip(names, joined, strict=True))


def _targets(folder: Path) -> pd.Series:
    """Return targets by id from the manifest of the work folder that holds `folder`."""
    near = [one / MANIFEST for one in (folder, *folder.resolve().parents[:2])]
    path = next((path for path in near if path.exists()), None)
    if path is None:
        raise UserError(f"No {MANIFEST} is in {folder} or above it; name a folder below `work`.")
    rows = checksum.read_table(path, ["id", "target"])
    return rows[rows["target"] >= 0].drop_duplicates("id").set_index("id")["target"]
