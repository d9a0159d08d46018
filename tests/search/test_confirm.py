from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.search import confirm, space
from ffdi.search.context import SearchContext
from ffdi.training.job import plan
from tests.fixtures.search import Contest, context, made_up_study

PROXY = {"epochs": 1, "folds": [1]}
LR = {"lr": FloatDistribution(1e-3, 1e-2, log=True)}
TRIALS = made_up_study(LR, 12).trials


def prepared(contest: Contest, folder: Path, **search: object) -> tuple[SearchContext, SearchContext]:
    """Return the context of the trials and that of the re-runs."""
    cheap = context(contest, folder, **{"proxy": PROXY, **search})
    return cheap, cheap.without_proxy()


def test_reruns_are_the_runs_that_training_would_do_but_for_the_seeds_which_all_share(
    contest: Contest, tmp_path: Path
) -> None:
    cheap, full = prepared(contest, tmp_path)
    chosen = confirm.candidates(cheap, TRIALS)
    planned = confirm.plan(full, chosen)
    assert len(cheap.jobs(cheap.base)) == 1
    assert chosen[0].name == "default"
    assert len(chosen) == 1 + 3
    assert len(planned) == 4 * 3 * 2  # candidates, seeds, folds
    assert len({one.job.folder for one in planned}) == len(planned)
    seeds: dict[str, set[tuple[int, object]]] = {}
    for one in planned:
        member = one.job.member
        seeds.setdefault(one.candidate, set()).add((member.seed, one.job.fold))
        assert (member.epochs, member.image_size) == (3, 32)
        recipe = full.recipe.model_copy(update={"member": (member,)})
        alike = plan(recipe, full.competition, contest[1], full.folds, full.images, Workspace(tmp_path, tmp_path))
        assert one.job.spec in {job.spec for job in alike}
    assert len({frozenset(pairs) for pairs in seeds.values()}) == 1
    assert space.searched_member(cheap.recipe).seed not in {seed for seed, _ in seeds["default"]}
    more, _ = prepared(contest, tmp_path, rerun_seeds=4)
    assert confirm.seeds(more)[:3] == confirm.seeds(full)


def test_the_default_is_no_candidate_against_itself(contest: Contest, tmp_path: Path) -> None:
    cheap, _ = prepared(contest, tmp_path, space={"lr": {"low": 1e-5, "high": 1e-2}}, top_k=2)
    same = made_up_study({"lr": FloatDistribution(3e-4, 3e-4)}, 2).trials[:1]
    assert same[0].params == {"lr": space.searched_member(cheap.recipe).lr}
    assert [one.name for one in confirm.candidates(cheap, same)] == ["default"]
    assert [one.name for one in confirm.candidates(cheap, [])] == ["default"]


def test_scores_are_read_by_seed_and_fold_and_missing_ones_are_counted(contest: Contest, tmp_path: Path) -> None:
    cheap, full = prepared(contest, tmp_path, top_k=1, rerun_seeds=2)
    chosen = confirm.candidates(cheap, TRIALS)
    planned = confirm.plan(full, chosen)
    paths = [one.job.folder.done for one in planned]
    for number, path in enumerate(paths):
        with pytest.raises(UserError, match=f"{8 - number} of 8 re-runs are not done; run ffdi search"):
            confirm.verdict(chosen, planned)
        checksum.write_json(path, {"scores": {"auc": 0.5 + number / 100}})
    verdict = confirm.verdict(chosen, planned)
    assert [row.fresh for row in verdict.rows] == pytest.approx([0.525, 0.545])  # two folds of each in turn
    assert verdict.design == "2 fresh seeds x 2 folds"
    paths[0].write_bytes(paths[0].read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(UserError, match="damaged"):
        confirm.verdict(chosen, planned)


def test_trials_that_were_run_again_before_share_the_level(contest: Contest, tmp_path: Path) -> None:
    """A search that is made longer looks at more trials, though it shows the best alone."""
    cheap, full = prepared(contest, tmp_path, top_k=1, rerun_seeds=2)
    chosen = confirm.candidates(cheap, TRIALS)
    planned = confirm.plan(full, chosen)
    for number, one in enumerate(planned):
        checksum.write_json(one.job.folder.done, {"scores": {"auc": 0.5 + number**2 / 200}})
    alone = confirm.verdict(chosen, planned).rows[1].gain
    for trial in (98, 99):
        (planned[0].job.folder.parents[1] / f"tiny-t{trial}-seed1-01234567").mkdir()
    among = confirm.verdict(chosen, planned).rows[1].gain
    assert alone is not None
    assert among is not None
    assert (among.value, among.se) == (alone.value, alone.se)
    assert among.low < alone.low
