from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ffdi.blending.oof import read_team
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from tests.fixtures.contest import Contest, table


def test_logits_are_joined_by_id_and_averaged_over_views(contest: Contest) -> None:
    team = read_team(contest.jobs())
    assert [member.name for member in team.members] == ["one", "two", "whole"]
    one = team.members[0]
    job = contest.job("one", 2)
    for rows, logits_N in ((team.test, one.test_KT[2]), (team.val, one.val_KV[2])):
        name = "test" if rows is team.test else "val"
        expected = table(job, name).groupby("id")["logit"].apply(lambda logit: logit.to_numpy(float).mean())
        assert logits_N == pytest.approx(expected.loc[rows["id"]].to_numpy(), abs=0)
    assert one.oof_N is not None
    held = table(job, "oof").groupby("id")["logit"].apply(lambda logit: logit.to_numpy(float).mean())
    inside = (team.oof["fold"] == 2).to_numpy()
    assert one.oof_N[inside] == pytest.approx(held.loc[team.oof["id"][inside]].to_numpy(), abs=0)


def test_rows_are_sorted_by_id_and_know_their_targets(contest: Contest) -> None:
    team = read_team(contest.jobs())
    manifest = contest.manifest.set_index("id")
    for rows, size in ((team.oof, 120), (team.val, 40), (team.test, 50)):
        assert len(rows) == size
        assert rows["id"].is_monotonic_increasing
        assert (rows["target"].to_numpy() == manifest.loc[rows["id"], "target"]).all()
    assert team.test["imputed"].sum() == 1
    assert team.oof.groupby("group").size().tolist() == [2] * 60
    whole = team.members[2]  # fitted on all rows: it held none out
    assert whole.oof_N is None
    assert whole.test_KT.shape == (1, 50)


def test_the_folds_of_the_same_settings_and_nearest_epochs_speak_for_a_refit(contest: Contest) -> None:
    """A plan trains refits longer than folds."""
    one, two, whole = contest.recipe.member
    longer = two.model_copy(update={"name": "two_longer", "epochs": 20})
    members = (one, two, longer, whole.model_copy(update={"epochs": 17}))
    contest.recipe = contest.recipe.model_copy(update={"member": members})
    for job in contest.jobs():
        contest.finish(job)
    found = {member.name: member.kfold for member in read_team(contest.jobs()).members}
    assert found == {"one": None, "two": None, "two_longer": None, "whole": "two_longer"}


def test_order_of_jobs_changes_nothing(contest: Contest) -> None:
    there, back = read_team(contest.jobs()), read_team(contest.jobs()[::-1])
    for one, two in zip(there.members, back.members, strict=True):
        assert one.name == two.name
        assert one.files == two.files
        assert (one.test_KT == two.test_KT).all()
        assert one.oof_N is None or (one.oof_N == two.oof_N).all()


Change = Callable[[pd.DataFrame], pd.DataFrame]
DAMAGED: dict[str, Change] = {
    "a row is missing": lambda frame: frame.drop(index=3),
    "all rows are missing": lambda frame: frame.iloc[:0],
    "a row is there twice": lambda frame: pd.concat([frame, frame.iloc[[5]]]),
    "an id is unknown": lambda frame: frame.replace({"id": {frame["id"][2]: "other.jpg"}}),
    "a view is unknown": lambda frame: frame.assign(view="sideways"),
    "a logit is NaN": lambda frame: frame.assign(logit=frame["logit"].where(frame.index != 4)),
    "a logit is infinite": lambda frame: frame.replace({"logit": {frame["logit"][1]: np.inf}}),
}


@pytest.mark.parametrize("name", ["oof", "val", "test"])
@pytest.mark.parametrize("fault", DAMAGED)
def test_a_member_with_odd_rows_is_refused_by_name(contest: Contest, fault: str, name: str) -> None:
    contest.finish(contest.job("two", 1), lambda now, frame: DAMAGED[fault](frame) if now == name else frame)
    with pytest.raises(UserError, match=rf"two fold 1: .*{name}\.parquet.*has not one finite logit a view"):
        read_team(contest.jobs())


def test_an_unfinished_fold_is_named(contest: Contest) -> None:
    (contest.job("one", 3).folder / "done.json").unlink()
    with pytest.raises(UserError, match=r"one fold 3 is not finished: .*run `ffdi train`"):
        read_team(contest.jobs())


@pytest.mark.parametrize("what", ["spec", "manifest", "folds", "fold"])
def test_a_fold_of_another_run_is_refused(contest: Contest, what: str) -> None:
    path = contest.job("one", 0).folder / "done.json"
    checksum.write_json(path, {**checksum.read_json(path), what: "f" * 64})
    with pytest.raises(UserError, match=f"one fold 0 was made with another {what}"):
        read_team(contest.jobs())


def test_a_table_that_another_run_left_is_refused(contest: Contest) -> None:
    path = contest.job("one", 0).folder / "test.parquet"
    checksum.write_table(path, table(contest.job("two", 0), "test"))
    with pytest.raises(CorruptError, match=r"is not the file that .*done.json names"):
        read_team(contest.jobs())


def test_other_views_and_changed_test_images_make_the_runs_stale(contest: Contest) -> None:
    recipe = contest.recipe
    member = contest.recipe.member[1].model_copy(update={"tta": ("identity", "hflip")})
    contest.recipe = contest.recipe.model_copy(update={"member": (contest.recipe.member[0], member)})
    with pytest.raises(UserError, match=r"two fold 0: .* is not what the recipe asks for"):
        read_team(contest.jobs())
    contest.recipe = recipe
    changed = contest.manifest["id"] == contest.manifest["id"][contest.manifest["split"] == "test"].iloc[0]
    contest.manifest.loc[changed, "sha256"] = "0" * 64
    with pytest.raises(UserError, match=r"one fold 0: .* is not what the recipe asks for"):
        read_team(contest.jobs())
