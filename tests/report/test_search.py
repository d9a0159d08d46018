from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ffdi.report import page, search_plots
from ffdi.report import search as report
from ffdi.report.search import Searched, headline
from ffdi.search import space
from tests.fixtures.html_reader import check
from tests.search import made_up
from tests.search.test_promote import RECIPE

Contest = tuple[Path, pd.DataFrame]


@pytest.fixture
def searched(tmp_path: Path) -> Callable[..., Searched]:
    (tmp_path / "tuned.toml").write_text(RECIPE)
    ground = made_up.ground(tmp_path / "tuned.toml")
    wishes = ground.wishes("")
    found = made_up.results(wishes)

    def make(gains: list[float] | None = None) -> Searched:
        verdict = None if gains is None else made_up.verdict(ground, found, gains)
        best = space.applied(space.base_of(ground.recipe), found[0].params)
        shares = made_up.importance(wishes)
        return Searched(wishes.name, "one", "r.toml", "auc", wishes.space, found, shares, best, verdict)

    return make


def test_the_first_line_says_what_was_found_whether_to_trust_it_and_what_to_type(
    searched: Callable[..., Searched],
) -> None:
    won, lost, open_ = (headline(searched(gains)) for gains in ([0.05, 0.0, 0.0], [0.0, 0.0, 0.0], None))
    assert "beats the default beyond noise: +0.0" in won
    assert won.endswith("Next: ffdi search --recipe r.toml --promote.")
    assert lost.startswith("Nothing beats the default beyond noise")
    assert "Keep one." in lost
    assert "do not trust it yet. Next: ffdi search --recipe r.toml, which runs the best again" in open_


def test_the_page_shows_every_part(searched: Callable[..., Searched], contest: Contest) -> None:
    folder, rows = contest
    some = searched([0.05, 0.0, 0.0])
    html = page.render(report.page(some, rows[rows["split"] == "train"], folder, {"command": "ffdi search"}))
    assert page.render(report.page(some, rows[rows["split"] == "train"], folder, {"command": "ffdi search"})) == html
    told = " ".join(words for _, words in check(html, headline(some)).words)
    for part in ("Run again", "beats the default", "within noise", "The winner's curse", "Rank correlation",
                 "The whole policy", "Each operation alone", "History", "Importance", "Parallel coordinates",
                 "policy.strength", "Who ran what when", "below 10 a parameter their order is loose"):  # fmt: skip
        assert part in told, part


def test_before_the_reruns_and_with_few_trials_it_says_so(searched: Callable[..., Searched]) -> None:
    some = searched()
    few = replace(some, found=some.found[:3], importance={})
    html = page.render(report.page(few, pd.DataFrame(), None))
    told = " ".join(words for _, words in check(html, headline(few)).words)
    assert "were not run again yet" in told
    assert "Importances need 8 finished trials; there are" in told
    assert "The best policy" not in told


def test_values_lie_where_their_scale_says() -> None:
    place = search_plots.place
    assert place([1e-4, 1e-3, 1e-2], FloatDistribution(1e-4, 1e-2, log=True)) == pytest.approx([0, 0.5, 1])
    assert place([2, 4], IntDistribution(2, 6)) == pytest.approx([0, 0.5])
    assert place(["b", "a", "c"], CategoricalDistribution(("a", "b", "c"))) == pytest.approx([0.5, 0, 1])
    assert np.isfinite(place([3], IntDistribution(3, 3))).all()


def test_a_worker_that_replaces_a_killed_one_takes_its_line(searched: Callable[..., Searched]) -> None:
    found = list(searched().found)
    assert [(host, len(trials)) for host, trials in search_plots._lanes(found)] == [("host0", 12), ("host1", 12)]
    later = [replace(one, worker="host0-99-2") if one.number > 11 and one.number % 2 == 0 else one for one in found]
    assert len(search_plots._lanes(later)) == 2
    both = [replace(one, began=one.began and one.began - timedelta(hours=1)) if one.worker == "host0-99-2" else one
            for one in later]  # fmt: skip
    assert len(search_plots._lanes(both)) == 3
