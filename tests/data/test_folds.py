import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from ffdi.config.load import load_competition
from ffdi.config.recipe import Folds, Recipe
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import folds
from ffdi.data.deal import _shuffled, deal_groups, make_folds
from ffdi.data.folds import fold_table
from ffdi.training.job import digest_of, plan
from tests.fixtures.manifests import manifest_of

SPEC = Folds(k=5)


@st.composite
def structures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int]:
    """(target, group, k, seed): groups of one class, of mixed classes, or one original and its forgeries."""
    k = draw(st.integers(2, 5))
    largest = draw(st.sampled_from([1, 2, 8, 30]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = random.integers(1, largest + 1, draw(st.integers(k, 14)))
    group = np.repeat(np.arange(len(sizes)), sizes)
    kind = draw(st.sampled_from(["mixed", "pure", "twins"]))
    if kind == "pure":
        target = random.integers(0, 2, len(sizes))[group]
    elif kind == "mixed":
        target = (random.random(len(group)) < random.uniform(0.1, 0.9)).astype(np.int64)
    else:
        target = (np.concatenate([[-1], group[:-1]]) == group).astype(np.int64)
    for value in (0, 1):  # as many images of a class as folds, as fold_table asks for
        missing = max(0, k - int((target == value).sum()))
        target = np.concatenate([target, np.full(missing, value)])
        group = np.concatenate([group, group.max(initial=-1) + 1 + np.arange(missing)])
    return target, group, k, draw(st.integers(0, 1000))


@given(structures())
@settings(max_examples=1000, deadline=None)
def test_a_thousand_random_structures(structure: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    target, group, k, seed = structure
    fold = deal_groups(target, group, k, seed)
    table = pd.DataFrame({"target": target, "group": group, "fold": fold})
    assert (table.groupby("group")["fold"].nunique() == 1).all()
    sizes = np.bincount(fold, minlength=k)
    one_group = np.bincount(group).max()
    assert abs(sizes - len(group) / k).max() <= one_group
    shares = np.bincount(fold, weights=target, minlength=k) / sizes
    assert (abs(shares - target.mean()) <= np.maximum(0.02, one_group / sizes)).all()


def test_four_large_groups_of_one_class_each_get_a_fold_of_their_own() -> None:
    """The splitter alone puts two of them together, for rounding errors in its scores."""
    target, group = np.repeat([0, 1, 0, 1], [5, 8, 8, 5]), np.repeat(range(4), [5, 8, 8, 5])
    assert sorted(np.bincount(deal_groups(target, group, 4, 0))) == [5, 5, 8, 8]


@given(st.integers(0, 2**32), st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed: int, copies: int) -> None:
    rows = manifest_of(120, copies, seed=1)
    shuffled = rows.sample(frac=1, random_state=seed % 2**32).reset_index(drop=True)
    pd.testing.assert_frame_equal(fold_table(shuffled, SPEC, ["train"]), fold_table(rows, SPEC, ["train"]))


def test_large_data_is_dealt_evenly_and_at_once() -> None:
    draw = np.random.default_rng(0)
    group = np.repeat(np.arange(60_000), draw.integers(1, 9, 60_000))
    target = (draw.random(len(group)) < 0.81).astype(np.int64)
    table = pd.DataFrame({"target": target, "group": group, "fold": deal_groups(target, group, 5, 0)})
    found = table.groupby("fold")["target"].agg(["size", "mean"])
    assert found["size"].max() - found["size"].min() <= 8
    assert found["mean"].max() - found["mean"].min() < 1e-4


def test_a_finished_table_is_read_again_and_a_stale_one_made_anew(places: Workspace) -> None:
    rows = manifest_of(100, 10)
    with pytest.raises(UserError, match="run `ffdi folds` first"):
        folds.read(places, SPEC, rows, ["train"])
    made = folds.make(places, SPEC, rows, ["train"])
    path = places.folds("group")
    stamp = path.stat().st_mtime_ns
    again = folds.make(places, SPEC, rows, ["train"], embed=lambda: pytest.fail("features that nobody needs"))
    pd.testing.assert_frame_equal(again, made)
    pd.testing.assert_frame_equal(folds.read(places, SPEC, rows, ["train"]), made)
    assert path.stat().st_mtime_ns == stamp
    for change in ({"seed": 1}, {"k": 4}):
        other = SPEC.model_copy(update=change)
        with pytest.raises(UserError, match="run `ffdi folds` again"):
            folds.read(places, other, rows, ["train"])
    relabelled = rows.assign(target=1 - rows["target"])
    with pytest.raises(UserError, match="made from other images"):
        folds.read(places, SPEC, relabelled, ["train"])
    folds.make(places, SPEC, relabelled, ["train"])
    assert len(folds.read(places, SPEC, relabelled, ["train"])) == 100


def test_too_few_images_or_groups_for_the_folds() -> None:
    rows = manifest_of(40, 0)
    with pytest.raises(UserError, match="5 folds need as many fake images, and 3 are usable"):
        fold_table(rows.assign(target=np.arange(40) < 3), SPEC, ["train"])
    alike = manifest_of(12, 0).assign(phash=np.repeat(np.array([0, 2**40 - 1, 2**64 - 1], np.uint64), 4))
    with pytest.raises(UserError, match="5 folds need as many groups, and there are 3; lower k to 3"):
        fold_table(alike.assign(target=np.arange(12) % 2), SPEC, ["train"])
    with pytest.raises(UserError, match="both classes, and 0 real images are usable"):
        fold_table(rows, SPEC, ["val"])
    with pytest.raises(UserError, match=r"Split 'train' has no targets .* out of data\.train_splits"):
        fold_table(rows.assign(target=np.int8(-1)), SPEC, ["train"])


def test_groups_come_to_the_splitter_as_scikit_learn_shuffles_them() -> None:
    """By numbers of our own, since before 1.8 it gave shuffled groups the class counts of others; Kaggle has 1.6.1."""
    draw = np.random.default_rng(3)
    group, target = draw.integers(0, 60, 300), draw.integers(0, 2, 300)
    state = keys.key("folds", "splitter", 7) % 2**32
    theirs = StratifiedGroupKFold(5, shuffle=True, random_state=state).split(group, target, group)
    ours = StratifiedGroupKFold(5).split(group, target, _shuffled(group, 7))
    for (_, held), (_, own) in zip(theirs, ours, strict=True):
        assert held.tolist() == own.tolist()


def test_the_official_scheme_trains_on_train_and_holds_val_and_its_near_duplicates_out(places: Workspace) -> None:
    val = manifest_of(30, 0, seed=1, split="val")
    twin = val[:1].assign(id="twin.jpg", split="train", phash=val["phash"][:1] ^ np.uint64(1))
    rows = pd.concat([manifest_of(40, 0), val.assign(id="v" + val["id"]), twin], ignore_index=True)
    spec = SPEC.model_copy(update={"scheme": "official"})
    made = folds.make(places, spec, rows, ["train", "val"])
    held = made[made["fold"] == 0]
    assert held["id"].tolist() == ["twin.jpg", *sorted(rows["id"][rows["split"] == "val"])]
    assert set(made["fold"]) == {-1, 0}
    assert list(spec.held_out) == [0]
    recipe = Recipe.model_validate({"name": "a", "member": [{"name": "b", "model": "test_resnet"}], "folds": spec,
                                    "data": {"train_splits": ["train", "val"]}})  # fmt: skip
    (job,) = plan(recipe, load_competition("multi-ffdi-phase2"), rows, made, Path(), places)
    assert (len(job.train), set(job.oof["id"])) == (40, set(held["id"]))
    with pytest.raises(UserError, match=r"needs originals and fakes in val, and in train .*; say data\.train_splits"):
        fold_table(rows, spec, ["train"])


def test_a_tables_digest_is_of_what_it_says() -> None:
    made = fold_table(manifest_of(60, 10), SPEC, ["train"])
    assert digest_of(made.iloc[::-1]) == digest_of(made)
    assert digest_of(made.assign(fold=(made["fold"] + 1) % 5)) != digest_of(made)


def videos(count: int, frames: int, targets: list[int], seed: int = 0) -> pd.DataFrame:
    """Frames of a few videos, each a few bits from the next of its video; `video` names it."""
    draw = np.random.default_rng(seed)
    rows = manifest_of(count * frames, 0, seed)
    first = draw.integers(0, 2**64, count, dtype=np.uint64)
    steps = np.cumsum(draw.integers(0, 2, (count, frames), dtype=np.uint64), axis=1) % np.uint64(64)
    short = first[:, None] ^ (np.uint64(1) << steps)
    target = np.repeat(np.array(targets, np.int8), frames)
    return rows.assign(phash=short.ravel(), target=target, video=np.repeat(np.arange(count), frames))


@pytest.mark.parametrize("frames", [25, 100])
@pytest.mark.parametrize(("count", "k"), [(6, 3), (6, 2), (4, 2)])
def test_whole_videos_fit_as_long_as_one_is_no_larger_than_a_fold(count: int, k: int, frames: int) -> None:
    rows = videos(count, frames, [0, 1] * (count // 2))
    made = fold_table(rows.drop(columns="video"), SPEC.model_copy(update={"k": k}), ["train"])
    joined = made.merge(rows[["id", "video"]], on="id")
    assert (joined.groupby("video")["fold"].nunique() == 1).all()
    assert (joined.groupby("fold")["video"].nunique() == count // k).all()


@pytest.mark.parametrize(("count", "k"), [(2, 5), (3, 5), (4, 5)])
def test_a_group_larger_than_a_fold_is_refused_with_a_remedy_that_parts_nothing(count: int, k: int) -> None:
    """Followed to the end, the message never tears near-duplicates apart."""
    rows = videos(count, 30, ([0, 1] * count)[:count])
    seen, told = set[int](), list[str]()
    while k not in seen:
        seen.add(k)
        try:
            made = fold_table(rows.drop(columns="video"), SPEC.model_copy(update={"k": k}), ["train"])
        except UserError as error:
            told.append(str(error))
            found = re.search(r"lower (?:folds\.)?k to (\d+)", told[-1])
            k = int(found[1]) if found else k
        else:
            assert (made.merge(rows[["id", "video"]], on="id").groupby("video")["fold"].nunique() == 1).all()
    assert k < 5
    assert not re.search("confirm|distance|cosine", " ".join(told))


def test_a_group_that_no_folds_can_hold_is_named() -> None:
    rows = videos(1, 60, [1]).drop(columns="video")
    with pytest.raises(UserError, match=r"60 of 60 images, such as .*\.jpg.* add images of other scenes"):
        fold_table(rows, SPEC, ["train"])


def labels_of(count: int, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"{number}.jpg" for number in draw.permutation(count)]})
    return frame.assign(label=draw.integers(0, 2, count), video=draw.integers(0, 40, count))


def test_folds_of_any_table_keep_every_kind_of_group_whole() -> None:
    labels = labels_of(400)
    labels["person"] = labels["video"] // 2  # two videos a person
    fold = make_folds(labels, groups=["video", "person"], k=4)
    for column in ("video", "person"):
        assert (fold.groupby(labels[column]).nunique() == 1).all()
    assert (labels["label"].groupby(fold).mean() - labels["label"].mean()).abs().max() < 0.1
    assert make_folds(labels, k=4, seed=1).value_counts().tolist() == [100] * 4


def test_folds_of_any_table_do_not_depend_on_the_order_of_its_rows_nor_on_its_index() -> None:
    labels = labels_of(200)
    joined = pd.concat([labels[:100], labels[100:].set_axis(range(100))])  # with the index of both
    shuffled = joined.sample(frac=1, random_state=3)
    found = make_folds(shuffled, groups="video")
    assert found.index.equals(shuffled.index)
    expected = make_folds(labels, groups="video").set_axis(labels["id"])
    assert found.tolist() == expected[shuffled["id"]].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "same"}, "The id 'same' stands in several rows"),
        ({"label": 2}, "The label 2 is neither 0"),
        ({"label": 0}, "both classes, and 0 fake images"),
        ({"video": 1}, "5 folds need as many groups, and there are 1; add images"),
        ({"video": lambda rows: 3 * rows["label"] + rows.index % 3}, "Fold . has (0|100)% fakes: .* lower the number"),
    ],
)
def test_a_table_that_cannot_be_folded_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_folds(labels_of(60).assign(**change), groups="video")
