import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from ffdi.config import presets
from tests.bench import recipes
from tests.bench.recipe_set import DAMAGES, PARTS, Case, case, read
from tests.bench.recipe_table import PLAIN, RECIPES, Change, table

TINY = {"model": "test_resnet", "weights": "none", "image_size": 32, "epochs": 1, "batch_size": 16}
MEASURED = Path(__file__).parents[2] / "ensembles" / "recipes.jsonl"


def tiny(change: Change) -> Change:
    return change | TINY


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng, lines = tmp_path_factory.mktemp("set"), np.random.default_rng(0), []
    for person in range(60):
        for label, method in (("original", "none"), ("manipulated", f"swap{person % 3}")):
            lines.append((f"{label}{person}.jpg", label, method, f"{person:03d}"))
            light = rng.integers(0, 200, size=(1, 1, 3))
            cv2.imwrite(str(folder / lines[-1][0]), (light + rng.integers(0, 50, (32, 32, 3))).astype(np.uint8))
    pd.DataFrame(lines, columns=["path", "label", "method", "group"]).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def one(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    before = set(images.iterdir())
    made = case(read(images), images, tmp_path_factory.mktemp("copies"), 1)
    assert set(images.iterdir()) == before
    return made


def test_a_family_a_look_and_persons_are_left_out(images: Path, one: Case) -> None:
    assert one.family == "swap1"
    assert set(one.train.method) == {"none", "swap0", "swap2"}
    assert not set(one.train.group) & set(one.test.group)
    assert one.look not in set(one.train.look)
    assert set(one.test.look[one.test.part == "source"]) == {one.look}
    assert set(one.test.method[one.test.part == "unseen"]) == {"none", "swap1"}
    assert set(one.test.part) == {"clean", "unseen", "source", *DAMAGES}
    assert all((images / name).exists() for name in one.test.relpath)


@pytest.mark.parametrize("name", ["plain", "light + self_blend, 3 folds"])
def test_one_training_gives_four_aucs(images: Path, one: Case, name: str, tmp_path: Path) -> None:
    place = recipes.Place(images, "cpu", 0, None)
    line = recipes.result(name, 1, one, place, tiny)
    assert line is not None
    assert set(PARTS) <= set(line["auc"])
    assert set(PARTS) <= set(line["tta"])
    assert recipes.result(name, 1, one, recipes.Place(images, "cpu", 0, 0.0), tiny) is None  # the time is over
    (tmp_path / "lines").write_text(json.dumps(line) + "\n")
    assert f"| {name} | 1 | {line['auc']['clean']:.4f} |" in table([tmp_path / "lines"])


def test_every_recipe_of_the_bench_is_one_that_the_kit_takes(images: Path, one: Case, tmp_path: Path) -> None:
    place = recipes.Place(images, "cpu", 0, None)
    counts = {name: len(list(recipes._jobs(name, 0, one, place, dict, tmp_path))) for name in RECIPES}
    assert counts["plain"] == 1
    assert counts["light + self_blend, 3 seeds"] == 3
    team = [job.member for job in recipes._jobs("team of three", 0, one, place, dict, tmp_path)]
    assert team[0].augment != team[1].augment == team[2].augment
    assert [(member.forge.share, list(member.forge.families)) for member in team] == [
        (0.0, ["self_blend"]), (0.3, ["self_blend"]), (0.3, ["self_blend", "swap"])
    ]  # fmt: skip


def test_half_a_recipe_has_half_the_pixels_epochs_and_batch_size() -> None:
    half = recipes.halved(PLAIN)
    assert half["image_size"] ** 2 == pytest.approx(PLAIN["image_size"] ** 2 / 2, rel=0.03)
    assert (half["epochs"], half["batch_size"]) == (PLAIN["epochs"] // 2, PLAIN["batch_size"] // 2)


def test_the_page_of_recipes_shows_what_was_measured() -> None:
    assert table([MEASURED]) in (MEASURED.parent / "README.md").read_text()


def test_the_presets_train_as_the_best_model_that_was_measured() -> None:
    lines = pd.DataFrame([json.loads(line) for line in MEASURED.read_text().splitlines()])
    mean = lines.assign(mean=[np.mean([one[part] for part in PARTS]) for one in lines.auc]).groupby("recipe")["mean"]
    found = mean.agg(["mean", "count"]).query("count >= 3").drop(index="team of three").sort_values("mean")
    best = RECIPES[found.index[-1]]
    assert len(found) >= 3
    assert {key: presets.RECIPE[key] for key in best} == best
    assert set(presets.RECIPE) == {*best, "tta"}
