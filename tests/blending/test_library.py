"""`ffdi.blend`, `ffdi.read_oof` and `ffdi.read_test` on frames and CSVs from anywhere, and the quickstart notebook."""

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ffdi
from ffdi.blending import library
from ffdi.blending.library import blend, read_oof, read_test
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics import auc as auc_module
from ffdi.metrics import delong as delong_module
from ffdi.metrics.auc import auc
from ffdi.metrics.ranks import rank
from tests.fixtures.contest import Contest, table

NOTEBOOK = Path(__file__).parents[2] / "kernels" / "quickstart.ipynb"
Frames = tuple[pd.DataFrame, pd.DataFrame]


def frames(rows: int = 400, names: str = "ab", test_rows: int = 50) -> Frames:
    """OOF predictions of some skill with fold and target, and test predictions in an order that is not that of ids."""
    draw = rng("library", rows, names)
    target = np.arange(rows) % 2
    oof = pd.DataFrame(
        {"img": [f"{row:04d}" for row in range(rows)], "target": target, "fold": np.arange(rows) // 2 % 5}
    )
    test = pd.DataFrame({"img": [f"t{row:04d}" for row in range(test_rows)]})
    for name in names:
        oof[name] = draw.normal(size=rows) + 1.5 * target
        test[name] = draw.normal(size=test_rows)
    return oof, test.iloc[::-1]


def test_equal_weights_are_the_mean_of_ranks_by_hand() -> None:
    oof, test = frames()
    found = blend(oof, test, method="rank_mean")
    assert found.test.columns.tolist() == ["img", "score"]
    assert found.test["img"].tolist() == test["img"].tolist()
    expected = (rank(test["a"]) + rank(test["b"])) / 2
    assert found.test["score"].to_numpy() == pytest.approx(expected)
    assert found.weights == {"a": 0.5, "b": 0.5}
    assert (found.method, found.why[:27]) == ("rank_mean", "The recipe names rank_mean;")


def test_the_table_is_nested_and_a_member_of_noise_is_dropped() -> None:
    oof, test = frames()
    draw = rng("library", "noise")
    oof["noise"], test["noise"] = draw.normal(size=len(oof)), draw.normal(size=len(test))
    found = blend(oof, test, method="pruned_rank_mean")
    assert found.weights == {"a": 0.5, "b": 0.5, "noise": 0}
    row = found.table.set_index("method").loc["best_single"]
    assert row["optimism"] >= 0
    assert row["low"] < row["nested"] < row["high"]
    assert blend(oof, test, weights={"b": 3, "a": 1}).weights == {"a": 0.25, "b": 0.75, "noise": 0}


def test_csvs_lists_and_frames_give_the_same_in_any_order_of_rows(tmp_path: Path) -> None:
    oof, test = frames()
    whole = blend(oof, test)
    names = {}
    for name in "ab":
        oof[["img", "target", "fold", name]].sample(frac=1, random_state=1).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
        test[["img", name]].sort_values("img").to_csv(tmp_path / f"{name}-test.csv", index=False)
        names[name] = tmp_path / f"{name}.csv", str(tmp_path / f"{name}-test.csv")
    parts = blend([names["a"][0], names["b"][0]], [test[["img", "a"]], names["b"][1]])
    assert parts.method == whole.method
    assert parts.test["img"].tolist() == test["img"].tolist()
    assert parts.test["score"].to_numpy() == pytest.approx(whole.test["score"].to_numpy(), abs=1e-12)


def test_columns_of_one_name_are_numbered_and_probabilities_and_labels_are_understood() -> None:
    oof, test = frames()
    parts = [
        oof[["img", name]].assign(label=oof["target"], pred=1 / (1 + np.exp(-oof[name]))).drop(columns=name)
        for name in "ab"
    ]
    asked = [test[["img"]].assign(pred=1 / (1 + np.exp(-test[name]))) for name in "ab"]
    found = blend(parts, asked, method="logit_mean")
    assert found.weights == {"pred_1": 0.5, "pred_2": 0.5}
    mean = (test["a"] + test["b"]) / 2
    assert found.test["score"].to_numpy() == pytest.approx(1 / (1 + np.exp(-mean.to_numpy())))


def test_names_and_types_of_columns_change_nothing() -> None:
    oof, test = frames()
    expected = blend(oof, test, method="rank_mean").test["score"].tolist()
    named = {"a": "blend", "b": 0}  # the name of a column of ours, and a number
    found = blend(oof.rename(columns=named), test.rename(columns=named), method="rank_mean")
    assert (found.test["score"].tolist(), list(found.weights)) == (expected, ["0", "blend"])
    parts = [oof[["img", "target", "fold", "a"]], oof.drop(columns="a").astype({"target": float, "fold": float})]
    assert blend(parts, [test[["img", "a"]], test.drop(columns="a")], method="rank_mean").test.equals(found.test)


def test_rows_join_by_id_and_not_by_an_index_that_counts_them() -> None:
    """Frames that were filtered and numbered anew: row 0 of one is not row 0 of the other."""
    oof, test = (frame.rename(columns={"img": "id"}) for frame in frames())
    mixed = oof[["id", "b"]].sample(frac=1, random_state=1, ignore_index=True).rename_axis("row")
    parts = [oof[["id", "target", "fold", "a"]].rename_axis("row"), mixed]
    found = blend(parts, [test[["id", "a"]].rename_axis("row"), test[["id", "b"]]])
    whole = blend(oof, test)
    assert found.test.equals(whole.test)
    assert found.table.equals(whole.table)


def test_an_id_may_be_a_word_that_pandas_takes_for_missing(tmp_path: Path) -> None:
    oof, test = frames(names="a")
    test = test.assign(img=["NA", "null", *test["img"][2:]])
    test.to_csv(tmp_path / "test.csv", index=False)
    assert blend(oof, tmp_path / "test.csv").test["img"].tolist() == test["img"].tolist()


def test_a_row_without_a_group_stands_for_itself() -> None:
    oof, test = frames(60)
    some = [f"pair {row // 2}" if row < 20 else None for row in range(60)]
    every = [f"pair {row // 2}" if row < 20 else f"{row}" for row in range(60)]
    tables = [blend(oof.assign(group=group), test).table for group in (some, every)]
    limits = [table[["low", "high"]].to_numpy() for table in tables]
    assert limits[0] == pytest.approx(limits[1])


def test_near_duplicates_without_folds_are_never_split() -> None:
    """Groups of copies and no folds: parts are dealt by groups, so the interval knows how few images there are."""
    oof, test = frames(60)
    many = pd.concat([oof.assign(group=range(60))] * 5, ignore_index=True).drop(columns="fold")
    many["img"] = [f"{row:04d}" for row in range(300)]
    alone = blend(oof.drop(columns="fold"), test).table.set_index("method").loc["rank_mean"]
    copies = blend(many, test).table.set_index("method").loc["rank_mean"]
    assert copies["high"] - copies["low"] == pytest.approx(alone["high"] - alone["low"], rel=0.05)


WRONG: dict[str, Callable[[pd.DataFrame, pd.DataFrame], tuple[Any, Any]]] = {
    "have different ids: .* is in one of them only": lambda oof, test: ([oof, oof.assign(img="x" + oof["img"])], test),
    "disagree in the column target": lambda oof, test: ([oof, oof[["img"]].assign(target=1 - oof["target"])], test),
    "prediction columns a, b, the test has a, c": lambda oof, test: (oof, test.rename(columns={"b": "c"})),
    "no column target": lambda oof, test: (oof.drop(columns="target"), test),
    "must hold 0 and 1": lambda oof, test: (oof.assign(target=1), test),
    "the id 0000 is there more than once": lambda oof, test: (pd.concat([oof, oof.iloc[:1]]), test),
    "the column a holds something that is no": lambda oof, test: (oof.assign(a=np.nan), test),
    "the column b holds something that is no": lambda oof, test: (
        oof.assign(b=pd.array([None, *[1] * 39], "Int64")), test,
    ),
    "the column target is there more than once": lambda oof, test: (oof.assign(label=oof["target"]), test),
    "a column of another file is called a_1 too": lambda oof, test: (
        [oof[["img", "target", "a"]], oof[["img", "a"]], oof[["img"]].assign(a_1=oof["b"])], test,
    ),
    "the test frame holds no predictions": lambda oof, test: (oof, test.iloc[:0]),
    "nowhere.csv is not a CSV that can be read": lambda oof, test: ("nowhere.csv", test),
    "No OOF predictions are given": lambda oof, test: ([], test),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_what_does_not_fit_is_one_sentence(words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        blend(*WRONG[words](*frames(40)))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"), [({"method": "magic"}, "magic"), ({"weights": {"c": 1}}, "'c', which is no")]
)
def test_unknown_methods_and_columns_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        blend(*frames(40), **options)
    assert "\n" not in str(refused.value)


def test_one_column_is_the_blend_and_has_no_table(tmp_path: Path) -> None:
    oof, test = frames(names="a")
    found = blend(oof, test)
    assert found.table.empty
    assert "nothing to weigh" in found.why
    path = found.write_submission(tmp_path / "made" / "s.csv", "p")
    assert pd.read_csv(path).columns.tolist() == ["img", "p"]
    numbered = [frame.assign(img=range(len(frame))) for frame in (oof, test)]
    assert blend(*numbered).test["img"].tolist() == list(range(50))
    oof.to_csv(tmp_path / "oof.csv", index=False)
    test.assign(img=[f"00{row}" for row in range(50)]).to_csv(tmp_path / "test.csv", index=False)
    assert blend(tmp_path / "oof.csv", tmp_path / "test.csv").test["img"].tolist()[:2] == ["000", "001"]
    assert pd.read_csv(path)["p"].to_numpy() == pytest.approx(found.test["score"].to_numpy(), abs=0)


def test_runs_are_read_as_frames_and_blend_like_any_other(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    oof, test = read_oof(contest.places.work), read_test(contest.places.work)
    assert oof.columns.tolist() == ["target", "fold", "one", "two"]
    assert test.columns.tolist() == ["one", "two", "whole"]
    job = contest.job("one", 2)
    expected = table(job, "oof").groupby("id")["logit"].mean()
    assert oof.loc[expected.index, "one"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    assert set(oof.loc[expected.index, "fold"]) == {2}
    assert (oof["target"] == contest.manifest.set_index("id")["target"].loc[oof.index]).all()
    run = job.folder.parent
    assert read_oof(run)["one"].equals(oof["one"].loc[read_oof(run).index])
    monkeypatch.chdir(run)
    assert read_oof(".").columns.tolist() == ["target", "fold", "one"]
    found = blend(oof, test[["one", "two"]], method="rank_mean")
    assert auc(oof["target"], oof["one"]) < found.table["nested"].max()
    with pytest.raises(UserError, match=r"holds no oof\.parquet of a run"):
        read_oof(contest.places.work / "folds")


def test_importing_brings_nothing_heavy() -> None:
    """Blending, checking and sending start in under a second on a laptop without torch."""
    heavy = {"torch", "timm", "sklearn", "albumentations", "torchvision", "cv2", "numba", "matplotlib", "scipy"}
    modules = "ffdi.blending.result, ffdi.blending.library, ffdi.submission.check, ffdi.submission.folder"
    program = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"ffdi", "pandas"} <= set(loaded)
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize("module", [auc_module, delong_module, library])
def test_examples_in_docstrings_are_true(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_the_quickstart_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ffdi, "blend", blend, raising=False)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code"] == [[]] * len(sources)
    scope: dict[str, Any] = {}
    for source in sources:
        exec(source, scope)
    assert len(pd.read_csv("submission.csv")) == 200
    assert scope["found"].table["nested"].between(0.5, 1).all()
