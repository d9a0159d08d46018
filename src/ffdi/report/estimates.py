"""Sections of the blend page: what to send, nested CV of each method, the leaderboard forecast.

`found`: the forecast as the card of a blend has it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.blending.nested import BASELINE
from ffdi.metrics.delong import logit, sigmoid
from ffdi.report import images
from ffdi.report.page import Gallery, Section, Text
from ffdi.report.table import Table, interval, intervals, table

WORDS = (
    "AUC: the share of pairs (one fake, one original) in which the fake has the higher score; 1 is perfect, 0.5 is "
    "chance. OOF (out of fold): scored by models that were not trained on the image. Nested: the weights of the blend "
    "were fitted without it too."
)

OTHER_SOURCE = (
    "The test images are of another source than the training images. The nested AUC is for images like those of train; "
    "on the leaderboard it may be far lower, so no interval is given."
)
UNKNOWN = "If the leaderboard has other kinds of forgery, the score may be far lower. How far was not measured."


def what_to_send(card: Mapping[str, Any], file: str) -> Section:
    """Return what to send, why, and what score to expect."""
    members = sorted(card["members"], key=lambda member: -member["weight"])
    shares = ", ".join(f"{member['name']} {member['weight']:.0%}" for member in members)
    texts = [Text(f"Send {file}. Method: {card['method']}. Weights: {shares}. Why: {card['why']}")]
    found = card["forecast"]
    if found:
        texts.append(Text(expected(found), warning=found["leads"] == "none"))
        texts += map(Text, (*_corrections(found), *source(found), *_unseen(found)))
    return Section("What to send, and why", (*texts, Text(WORDS)))


def nested_cv(card: Mapping[str, Any]) -> Section:
    """Compare the blending methods by nested CV; without such a table, only the reason of the choice."""
    title = "Blending methods"
    if not card["honest"]:
        return Section(title, (Text(card["why"]),))
    frame = pd.DataFrame(card["honest"])
    worst = frame.iloc[int(frame["optimism"].argmax())]
    text = (
        "Nested CV: the weights for each fold are fitted on the other folds. In-sample: they are fitted on the same "
        f"rows. The difference is largest for {worst['method']}: {worst['optimism']:+.4f}."
    )
    sent = card["method"] if frame["chosen"].any() else ""  # the recipe may give the weights
    shown = pd.DataFrame({
        "method": [f"{name} *" if name == sent else name for name in frame["method"]],
        "in-sample AUC": frame["in_sample"], "nested AUC": frame["nested"],
        "95% interval": intervals(frame),
        "optimism": frame["optimism"], f"gain over {BASELINE}": frame["gain"],
        "interval of the gain": intervals(frame, "gain_low", "gain_high", "+.4f"),
    })  # fmt: skip
    formats = {"in-sample AUC": ".4f", "nested AUC": ".4f", "optimism": "+.4f", f"gain over {BASELINE}": "+.4f"}
    caption = "Simplest method first. * makes the submission. Optimism: in-sample less nested."
    return Section(title, (Text(f"{card['why']} {text}"), table(shown, "Nested CV", caption, formats)))


def forecast(card: Mapping[str, Any], folder: Path | None) -> Section:
    """Return the forecast of the leaderboard, and the images that tell train from test; no block without one."""
    found, title = card["forecast"], "Leaderboard forecast"
    if not found:
        return Section(title, ())
    return Section(title, (*_boards(found), *_typical(found, folder)))


def _boards(found: Mapping[str, Any]) -> tuple[Table, ...]:
    if found["leads"] == "none":
        return ()
    board = found["board"]
    rows = pd.DataFrame([
        {"kinds of forgery": kinds, "board": part, "images": board[f"{part}_rows"], "AUC": span["value"],
         "interval": interval(span["low"], span["high"])}
        for kinds in ("seen", "unseen") for part, span in found[kinds].items()
    ])  # fmt: skip
    caption = f"{board['fake_share']:.0%} of the images are fake."
    return (table(rows, f"Forecast, {found['level']:.0%} intervals", caption, {"AUC": ".4f"}),)


def _typical(found: Mapping[str, Any], folder: Path | None) -> tuple[Gallery, ...]:
    """Show the images that the probe is surest are of train, and of the test."""
    check = found["evidence"]["source"]
    if check is None or folder is None:
        return ()
    train, test = check["typical"]
    notes = ["like train"] * len(train) + ["like test"] * len(test)
    rows = pd.DataFrame({"relpath": [*train, *test], "target": -1, "note": notes})
    caption = "By adversarial validation. Look for what the two groups do not share."
    return (images.sheet(rows, folder, "Most typical of train, and of the test", caption),)


def expected(found: Mapping[str, Any]) -> str:
    """Return the AUC to expect on this leaderboard, with its interval."""
    if found["leads"] == "none":
        return OTHER_SOURCE
    said = f"Expected AUC, if {_kinds(found, found['leads'])}: {_spans(found, found['leads'])}"
    share = found["board"]["unseen"]
    if share and found["leads"] == "seen":
        said += (
            f" But the competition says that {share:.0%} of the fakes are of unseen kinds. What they cost is unknown."
        )
    return said


def _kinds(found: Mapping[str, Any], kinds: str) -> str:
    if kinds == "seen":
        return "the leaderboard has the same kinds of forgery as the data"
    share = found["board"]["unseen"]
    return f"{share:.0%} of the fakes are of unseen kinds, as the competition says" if share else "all kinds are unseen"


def _spans(found: Mapping[str, Any], kinds: str) -> str:
    private, public = (found[kinds][board] for board in ("private", "public"))
    return (
        f"{private['value']:.3f}. {found['level']:.0%} interval: {private['low']:.3f} to {private['high']:.3f} on the "
        f"private part, {public['low']:.3f} to {public['high']:.3f} on the public part."
    )


def _corrections(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what was added to the nested AUC."""
    evidence = found["evidence"]
    value = logit(found["seen"]["private"]["value"])
    own = value - evidence["averaging"]["value"] - evidence["mix"]["value"]
    named = {"averaging": "the mean over fold models", "mix": "the mix of the test images"}
    told = [
        f"{sigmoid(own + evidence[name]['value']) - sigmoid(own):+.4f} for {words}"
        for name, words in named.items()
        if evidence[name]["value"]
    ]
    if told and found["leads"] != "none":
        yield f"The forecast is the nested AUC {sigmoid(own):.4f}, {' and '.join(told)}."


def source(found: Mapping[str, Any]) -> Iterator[str]:
    """Say how train and test can be told apart."""
    check = found["evidence"]["source"]
    if check is None:
        yield found["evidence"]["missing"]
        return
    told = ", ".join(f"{name} ({value:.2f})" for name, value in check["differences"])
    yield (
        f"Adversarial validation: train and test can be told apart with AUC {check['auc']:.2f} (0.5: not at all). "
        f"Weighted like the test, the OOF images are worth {check['effective']:.0%} of their number."
        + (f" Measurements that differ, with their AUC: {told}." if told else "")
    )


def _unseen(found: Mapping[str, Any]) -> Iterator[str]:
    measured = found["evidence"]["unseen"]
    if measured is None:
        yield UNKNOWN
        return
    if found["leads"] != "none":
        kinds = "seen" if found["leads"] == "unseen" else "unseen"
        yield f"If {_kinds(found, kinds)}: {_spans(found, kinds)}"
    yield (
        f"The cost of unseen kinds was measured by leaving out each of {len(measured['losses'])} clusters of fakes: a "
        f"linear probe falls from AUC {measured['seen']:.3f} to {measured['left_out']:.3f}."
    )
