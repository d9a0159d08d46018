import optuna
import pytest

from ffdi.search import pruning

EPOCHS, FOLDS = 4, 3


def study(name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", pruner=pruning.pruner(name, FOLDS, EPOCHS))


def run(of: optuna.Study, name: str, levels: list[float]) -> int | None:
    """A trial whose folds end at these AUCs; the step at which it was given up."""
    trial, done = of.ask(), []
    for fold, level in enumerate(levels):
        for epoch in range(1, EPOCHS + 1):
            step = pruning.step(fold, epoch, EPOCHS)
            auc = level - 0.1 * (EPOCHS - epoch) / EPOCHS + 1e-3 * level * step  # no two differences are equal
            trial.report(pruning.value(name, done, auc), step)
            if step < FOLDS * EPOCHS and trial.should_prune():
                of.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return step
        done.append(level)
    of.tell(trial, sum(levels) / len(levels))
    return None


def test_no_two_folds_share_a_step_and_they_are_in_order() -> None:
    steps = [pruning.step(fold, epoch, EPOCHS) for fold in range(FOLDS) for epoch in range(1, EPOCHS + 1)]
    assert steps == list(range(1, FOLDS * EPOCHS + 1))


def test_what_is_reported_ends_at_the_mean_of_the_folds() -> None:
    assert pruning.value("median", [0.9, 0.7], 0.8) == pytest.approx(0.8)
    assert pruning.value("wilcoxon", [0.9, 0.7], 0.8) == 0.8


@pytest.mark.parametrize("name", ["median", "wilcoxon", "hyperband"])
def test_a_bad_trial_is_given_up_and_a_good_one_is_not(name: str) -> None:
    of = study(name)
    good = [run(of, name, [0.9 + 0.01 * number] * FOLDS) for number in range(8)]
    assert good == [None] * 8
    bad = [run(of, name, [0.6] * FOLDS) for _ in range(8)]
    given_up = [step for step in bad if step is not None]
    assert len(given_up) == 8 if name != "hyperband" else given_up
    assert run(of, name, [0.99] * FOLDS) is None


def test_none_gives_nobody_up() -> None:
    of = study("none")
    assert [run(of, "none", [level] * FOLDS) for level in (0.9,) * 8 + (0.5,)] == [None] * 9


def test_an_easy_first_fold_protects_nobody() -> None:
    """Folds of one level for all, the first far easier: a trial that is worse in each later fold is given up there."""
    of = study("median")
    for _ in range(6):
        assert run(of, "median", [0.99, 0.8, 0.8]) is None
    assert run(of, "median", [0.995, 0.6, 0.6]) == pruning.step(1, 1, EPOCHS)


def test_the_median_waits_for_the_middle_of_the_first_fold() -> None:
    of = study("median")
    for _ in range(6):
        run(of, "median", [0.9] * FOLDS)
    assert run(of, "median", [0.5] * FOLDS) == pruning.step(0, EPOCHS // 2, EPOCHS)
