"""What to send and why, in words that ask for no knowledge of the kit."""

from collections.abc import Mapping

from ffdi.blending.choice import GIVEN, Choice
from ffdi.blending.forecast import Forecast
from ffdi.report.page import Section, Text
from ffdi.report.table import interval

TITLE = "What to send, and why"
ALONE = " alone"  # how the forecast names a member by itself
WAYS = {
    "rank_mean": "every model ranks the images from most original to most fake, and the places are averaged",
    "logit_mean": "the raw scores of the models are averaged",
    "probability_mean": "the probabilities that the models give are averaged",
    "power_mean": "the models' rankings are averaged so that the largest places count most",
    "best_single": "only the best model counts",
    "weighted_rank_mean": "the models' rankings are averaged, better models counting more",
    "stack": "a logistic regression over the models' rankings weighs them",
    "hill_climb": "the models' rankings are averaged with weights found step by step",
    "greedy": "the models' rankings are averaged, each counted as often as it helped",
    "optuna": "the models' rankings are averaged with weights found by a search",
    GIVEN: "the models are averaged with the weights that the recipe gives",
}
WORDS = (
    "AUC is the share of pairs of one fake and one original in which the fake gets the higher score: 1 is perfect, 0.5 "
    "is chance. Nested numbers judge a blend by images that had no say in its weights; in-sample numbers do not, and "
    "flatter it. OOF (out of fold): scored by models that were not trained on the image."
)


def section(
    choice: Choice, outlook: Forecast | None, submission: Mapping[str, str], weights: Mapping[str, float]
) -> Section:
    """`weights`: by member. Without an outlook there is no word of the board."""
    name = GIVEN if choice.row == GIVEN else choice.method.name
    way = WAYS.get(name, f"the models are blended by {name}")
    sent = submission.get("file", "the submission")
    shares = ", ".join(f"{name} {weight:.0%}" for name, weight in sorted(weights.items(), key=lambda pair: -pair[1]))
    texts = [Text(f"Send {sent}. In it {way}. Weights: {shares}. Why: {choice.why}")]
    if outlook is not None:
        texts += [Text(_expected(outlook)), Text(_unseen(outlook), warning=True), Text(_second(outlook))]
    return Section(TITLE, (*texts, Text(WORDS)))


def _expected(outlook: Forecast) -> str:
    one = outlook.outlooks[outlook.best]
    return (
        f"What to expect: if the board holds images of the kinds seen here, an AUC near {one.private.value:.3f} on the "
        f"private board ({outlook.level:.0%}: {interval(one.private.low, one.private.high, '.3f')}) and, on fewer "
        f"images, {interval(one.public.low, one.public.high, '.3f')} on the public one."
    )


def _unseen(outlook: Forecast) -> str:
    one = outlook.outlooks[outlook.best]
    if not one.lowest:
        return "If its forgeries are of other kinds, the score may be far lower; how far, nobody has measured here."
    return (
        f"If its forgeries are of other kinds, the private score may fall to {one.lowest['private']:.3f}, as measured "
        "by leaving clusters of fakes out whole."
    )


def _second(outlook: Forecast) -> str:
    if outlook.second is None:
        return "A second submission is not worth it: no other candidate ranks the images otherwise."
    name, one = outlook.second, outlook.outlooks[outlook.second]
    made = f'weights = {{ "{name.removesuffix(ALONE)}" = 1 }}' if name.endswith(ALONE) else f'method = "{name}"'
    return (
        f"If a second submission may be selected, take {name}: it beats the first on the private board with a chance "
        f"of {one.chance:.0%}, and errs elsewhere. To make it, say {made} under [blend] in the recipe and run "
        "`ffdi blend`."
    )
