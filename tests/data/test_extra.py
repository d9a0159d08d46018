"""Fakes made beforehand, trained on: no model learns from a fake of an image that it is judged by."""

from pathlib import Path

import pandas as pd
import pytest

from ffdi.config.forge import ForgedSet
from ffdi.config.recipe import Data, Folds, Member, Recipe
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import extra, folds, forged, manifest
from ffdi.data.images import TrainImages
from ffdi.data.scan import scan
from ffdi.training.job import FoldJob, plan
from tests.fixtures.pictures import CONTEST, contest_folder, contest_images

FOLDS = Folds(k=3)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, Path]:
    """Competition folder, manifest and a set of fakes."""
    place = tmp_path_factory.mktemp("extra")
    folder = contest_folder(place / "images", contest_images(36))
    rows = scan(CONTEST, folder, Workspace(place / "work", place), 0)
    sources = forged.originals(rows, ("train",))
    forged.make(ForgedSet(images=60, families={"swap": 1, "erasure": 1}), CONTEST, sources, folder, place / "set", 0)
    return folder, rows, place / "set"


def jobs(here: tuple[Path, pd.DataFrame, Path], *sets: Path, **member: object) -> list[FoldJob]:
    folder, rows, _ = here
    members = [
        {"name": name, "model": "test_resnet", "refit_full": full, **member}
        for name, full in (("a", False), ("b", True))
    ]
    recipe = Recipe(
        name="r",
        data=Data(extra=tuple(map(str, sets))),
        folds=FOLDS,
        member=tuple(Member.model_validate(one) for one in members),
    )
    table = folds.fold_table(rows, FOLDS, ("train",))
    return plan(recipe, CONTEST, rows, table, folder, Workspace(folder.parent / "w", folder))


def test_no_fake_is_seen_where_its_source_or_partner_is_held_out(here: tuple[Path, pd.DataFrame, Path]) -> None:
    made = extra.read(here[2]).set_index("id")
    planned = jobs(here, here[2])
    assert len(planned) > 1
    for job in planned:
        held = set(job.oof["id"])
        mine = made.loc[job.train["id"][job.train["split"] == extra.SPLIT]]
        assert not held & {*mine["source"], *mine["partner"]}
        missing = made.drop(mine.index)
        assert all(row.source in held or row.partner in held for row in missing.itertuples())
        assert len(mine) == len(made) if job.fold == "full" else 20 < len(mine) < 45
        groups = job.train.set_index("id")["group"]
        assert (groups[mine.index].to_numpy() == groups[mine["source"]].to_numpy()).all()


def test_what_is_judged_stays_what_it_was(here: tuple[Path, pd.DataFrame, Path]) -> None:
    for plain, more in zip(jobs(here), jobs(here, here[2]), strict=True):
        assert plain.rows == more.rows
        assert plain.oof.equals(more.oof)
        assert plain.test.equals(more.test)
        assert plain.spec != more.spec
        assert list(plain.train.columns) == list(more.train.columns)
        old = more.train[more.train["split"] != extra.SPLIT].reset_index(drop=True)
        assert old.equals(plain.train)


def test_their_images_are_read(here: tuple[Path, pd.DataFrame, Path]) -> None:
    job = jobs(here, here[2])[0]
    rows = job.train
    place = int(rows.index[rows["split"] == extra.SPLIT][0])
    assert TrainImages(rows, job.images, job.member.augment, 32, 0).image(place, 0).shape == (32, 32, 3)


def test_sets_that_do_not_fit_are_refused(here: tuple[Path, pd.DataFrame, Path], tmp_path: Path) -> None:
    folder, rows, made = here
    with pytest.raises(UserError, match="name each set of fakes once"):
        jobs(here, made, made)
    with pytest.raises(UserError, match="run `ffdi forge --out"):
        jobs(here, tmp_path)
    others = rows.assign(id=rows["id"].where(rows["split"] == "test", "x" + rows["id"]))
    with pytest.raises(UserError, match="were made of other images"):
        jobs((folder, others, made), made)
    assert manifest.digest(rows) != manifest.digest(others)
