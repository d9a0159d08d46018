"""`ffdi.read_oof` and `ffdi.read_test`: logits of finished runs as data frames."""

from pathlib import Path

import pandas as pd

from ffdi.core import checksum
from ffdi.core.errors import UserError


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
    """Read test logits of finished runs.

    Args:
        folder: as for `read_oof`.

    Returns:
        A frame by id with one column a member: the mean logit over its fold models and views.

    Example:
        >>> ffdi.read_test("work/multi-ffdi-phase2/sample")  # doctest: +SKIP
    """
    return pd.DataFrame({name: frame["logit"] for name, frame in _runs(Path(folder), "test").items()})


def _runs(folder: Path, table: str) -> dict[str, pd.DataFrame]:
    """Return by member a frame by id with the columns fold and logit. Unreadable images (NaN) are left out."""
    patterns = (f"fold*/{table}.parquet", f"runs/*/fold*/{table}.parquet")
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not paths:
        raise UserError(f"{folder} holds no {table}.parquet of a run; name a work folder or a run folder.")
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        frame = checksum.read_table(path, ["id", "logit"]).dropna().groupby("id")["logit"].mean()
        parts.setdefault(path.parent.parent.name, []).append(frame.to_frame().assign(fold=path.parent.name[4:]))
    short = [name.rpartition("-")[0] for name in parts]
    names = [one if short.count(one) == 1 else name for one, name in zip(short, parts, strict=True)]
    whole = [pd.concat(frames) for frames in parts.values()]
    joined = [frame.groupby("id").agg({"logit": "mean", "fold": "first"}) for frame in whole]
    return dict(zip(names, joined, strict=True))


def _targets(folder: Path) -> pd.Series:
    """Return targets by id from the manifest of the work folder that holds `folder`."""
    path = next((one / "manifest.parquet" for one in (folder, *folder.resolve().parents[:2])
                 if (one / "manifest.parquet").exists()), None)  # fmt: skip
    if path is None:
        raise UserError(f"No manifest.parquet is in {folder} or above it; name a folder below `work`.")
    rows = checksum.read_table(path, ["id", "target"])
    return rows[rows["target"] >= 0].drop_duplicates("id").set_index("id")["target"]
