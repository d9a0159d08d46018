import pytest

from ffdi.blending.choice import decide
from ffdi.blending.forecast import forecast
from ffdi.blending.gap import Gap
from ffdi.blending.methods import METHODS
from ffdi.config.recipe import Blend
from ffdi.metrics.delong import Interval
from ffdi.report import advice
from ffdi.report.page import Page, Section, Text, render
from tests.blending.test_choice import few
from tests.blending.test_forecast import SMALL, people
from tests.report.html_reader import check

GAP = Gap(Interval(0.05, 0.01, 0.09, 0.02), "Unseen forgeries cost 0.0500.")


def words(made: Section) -> list[str]:
    return [block.text for block in made.blocks if isinstance(block, Text)]


@pytest.mark.parametrize(("gap", "said"), [(None, "nobody has measured"), (GAP, "the private score may fall to 0.")])
def test_it_says_what_to_send_what_to_expect_and_what_else(gap: Gap | None, said: str) -> None:
    scores, target = people(300, 0.5, "advice", skills=(1.5, 1.4))
    named = {"rank_mean": scores["a"], "b alone": scores["b"]}
    outlook = forecast(named, target, "rank_mean", SMALL, gap=gap, draws=20)
    choice = decide(Blend(), few(1.0, 1.0))
    made = advice.section(choice, outlook, {"file": "subs/1/submission.csv"}, {"a": 0.25, "b": 0.75})
    sent, expected, unseen, second, _ = words(made)
    assert sent.startswith("Send subs/1/submission.csv. In it every model ranks the images")
    assert "Weights: b 75%, a 25%." in sent
    assert f"an AUC near {outlook.outlooks['rank_mean'].private.value:.3f}" in expected
    assert said in unseen
    assert 'say weights = { "b" = 1 } under [blend]' in second
    check(render(Page("blend", "One.", (made,))), "One.")


def test_without_a_second_or_a_board_it_promises_none() -> None:
    scores, target = people(300, 0.5, "advice", skills=(1.5,))
    choice = decide(Blend(), few(1.0, 1.0))
    outlook = forecast({"rank_mean": scores["a"]}, target, "rank_mean", SMALL, draws=20)
    assert any("A second submission is not worth it" in text for text in words(advice.section(choice, outlook, {}, {})))
    assert len(words(advice.section(choice, None, {}, {"a": 1.0}))) == 2


def test_every_method_has_words() -> None:
    assert set(METHODS) <= set(advice.WAYS)
