from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from ffdi.report import page
from ffdi.report import search as report
from ffdi.search.context import SearchContext
from tests.fixtures.search import bare_context, made_up_study, made_up_verdict, recipe

STRENGTH = "augment.strength"
SPACE = {
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "balance": CategoricalDistribution((True, False)),
    STRENGTH: FloatDistribution(0.5, 1.5),
}


@pytest.fixture
def context(tmp_path: Path) -> SearchContext:
    return bare_context(recipe(), tmp_path)


def test_the_first_line_says_what_was_found_whether_to_trust_it_and_what_to_type(context: SearchContext) -> None:
    study = made_up_study(SPACE)
    verdicts = *(made_up_verdict(context, study, gains) for gains in ([0.05, 0.02, 0.0], [0.0, -0.001, 0.0])), None
    won, lost, open_ = (report.headline(context, one, Path("r.toml"), study.best_trial) for one in verdicts)
    assert "beats the default beyond noise: +0.0" in won
    assert won.endswith("Next: ffdi search --recipe r.toml --promote.")
    spaced = report.headline(context, verdicts[0], Path("my r.toml"), study.best_trial)
    assert spaced.endswith("--recipe 'my r.toml' --promote.")
    assert lost.startswith("Nothing beats the default beyond noise")
    assert "Keep tiny." in lost
    assert "do not trust it yet. Next: ffdi search --recipe r.toml, which runs the best again" in open_


def test_the_page_shows_every_part(context: SearchContext) -> None:
    study = made_up_study(SPACE)
    found = made_up_verdict(context, study, [-0.05, 0.05, 0.0])
    html = page.render(report.page(study, context, found, Path("r.toml")))
    for part in ("Run again", "beats the default", "within noise", "worse than the default", "History",
                 "Best trials", "Importance", STRENGTH):  # fmt: skip
        assert part in html, part


def test_before_the_reruns_and_with_few_trials_it_says_so(context: SearchContext) -> None:
    study = made_up_study(SPACE, 3)
    html = page.render(report.page(study, context, None, Path("r.toml")))
    assert "were not run again yet" in html
    assert "Importances need 8 finished trials" in html
