import optuna

from ffdi.search import study as studies

EPOCHS, FOLDS = 4, 3


def study(name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", pruner=studies.pruner(name, EPOCHS))


def run(of: optuna.Study, levels: list[float]) -> int | None:
    """A trial whose folds end at these AUCs; the step at which it was stopped."""
    trial, done = of.ask(), []
    for fold, level in enumerate(levels):
        for epoch in range(1, EPOCHS + 1):
            step = fold * EPOCHS + epoch
            auc = level - 0.1 * (EPOCHS - epoch) / EPOCHS + 1e-3 * level * step
            try:
                studies.report(trial, epoch, EPOCHS, done, auc, step == FOLDS * EPOCHS)
            except optuna.TrialPruned:
                of.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return step
        done.append(level)
    of.tell(trial, sum(levels) / len(levels))
    return None


def test_a_bad_trial_is_stopped_and_a_good_one_is_not() -> None:
    of = study("median")
    assert [run(of, [0.9 + 0.01 * number] * FOLDS) for number in range(8)] == [None] * 8
    assert None not in [run(of, [0.6] * FOLDS) for _ in range(8)]
    assert run(of, [0.99] * FOLDS) is None


def test_none_stops_nothing() -> None:
    of = study("none")
    assert [run(of, [level] * FOLDS) for level in (0.9,) * 8 + (0.5,)] == [None] * 9


def test_the_median_waits_for_the_middle_of_the_first_fold() -> None:
    of = study("median")
    for _ in range(6):
        run(of, [0.9] * FOLDS)
    assert run(of, [0.5] * FOLDS) == EPOCHS // 2
