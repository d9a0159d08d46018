"""Sections of the blend page: what to send, nested CV of each method, the leaderboard forecast."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.blending import advice
from ffdi.report import images
from ffdi.report.page import Gallery, Section, Text
from ffdi.report.table import Table, interval, intervals, table

KINDS = ("seen", "unseen")
BASELINE = "rank_mean"  # equal weights
WORDS = (
    "AUC: the share of pairs (one fake, one original) in which the fake has the higher score; 1 is perfect, 0.5 is "
    "chance. OOF (out of fold): scored by models that were not trained on the image. Nested: the weights of the blend "
    "were fitted without it too."
)


def what_to_send(card: Mapping[str, Any], file: str) -> Section:
    """Return what to send, why, and what score to expect."""
    members = sorted(card["members"], key=lambda member: -member["weight"])
    shares = ", ".join(f"{member['name']} {member['weight']:.0%}" for member in members)
    texts = [Text(f"Send {file}. Method: {card['method']}. Weights: {shares}. Why: {card['why']}")]
    found = card["forecast"]
    if found:
        first, *others = advice.sentences(found)
        texts += [Text(first, warning=found["leads"] == "none"), *map(Text, others)]
    return Section("What to send, and why", (*texts, Text(WORDS)))


def nested_cv(card: Mapping[str, Any]) -> Section:
    """Compare the blending methods by nested CV; without such a table, only the reason of the choice."""
    title = "Blending methods"
    if not card["honest"]:
        return Section(title, (Text(card["why"]),))
    frame = pd.DataFrame(card["honest"])
    worst = frame.iloc[int(frame["optimism"].argmax())]
    text = (
        "Nested CV: the weights for each fold are fitted on the other folds. In-sample AUC, from weights fitted on the "
        f"same rows, is too high; most for {worst['method']}, by {worst['optimism']:.4f}."
    )
    return Section(title, (Text(f"{card['why']} {text}"), _methods(frame, card["method"])))


def _methods(frame: pd.DataFrame, chosen: str) -> Table:
    shown = pd.DataFrame({
        "method": [f"{name} *" if name == chosen else name for name in frame["method"]],
        "in-sample AUC": frame["in_sample"], "nested AUC": frame["nested"],
        "95% interval": intervals(frame),
        "optimism": frame["optimism"], f"gain over {BASELINE}": frame["gain"],
        "interval of the gain": intervals(frame, "gain_low", "gain_high", "+.4f"),
    })  # fmt: skip
    formats = {"in-sample AUC": ".4f", "nested AUC": ".4f", "optimism": "+.4f", f"gain over {BASELINE}": "+.4f"}
    caption = "Simplest method first. * makes the submission. Optimism: in-sample less nested."
    return table(shown, "Nested CV", caption, formats)


def forecast(card: Mapping[str, Any], folder: Path | None) -> Section:
    """Return the forecast of the leaderboard, and the images that tell train from test; no block without one."""
    found, title = card["forecast"], "Leaderboard forecast"
    if not found:
        return Section(title, ())
    return Section(title, (*_boards(found), *_typical(found, folder)))


def _boards(found: Mapping[str, Any]) -> tuple[Table, ...]:
    if found["leads"] == "none":
        return ()
    board, spans = found["board"], [(kinds, part, found[kinds][part]) for kinds in KINDS for part in found[kinds]]
    rows = pd.DataFrame([
        {"kinds of forgery": kinds, "board": part, "images": board[f"{part}_rows"], "AUC": span["value"],
         "interval": interval(span["low"], span["high"])}
        for kinds, part, span in spans
    ])  # fmt: skip
    caption = f"{board['fake_share']:.0%} of the images are fake."
    return (table(rows, f"Forecast, {found['level']:.0%} intervals", caption, {"AUC": ".4f"}),)


def _typical(found: Mapping[str, Any], folder: Path | None) -> tuple[Gallery, ...]:
    """Show the images that the probe is surest are of train, and of the test."""
    check = found["evidence"]["source"]
    if check is None or folder is None:
        return ()
    rows = [
        {"relpath": relpath, "target": -1, "note": f"like {side}"}
        for side, relpaths in zip(("train", "test"), check["typical"], strict=True)
        for relpath in relpaths
    ]
    caption = "By adversarial validation. Look for what the two groups do not share."
    return (images.sheet(pd.DataFrame(rows), folder, "Most typical of train, and of the test", caption),)
