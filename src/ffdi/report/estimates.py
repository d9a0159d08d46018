"""Sections of the blend page: what to send, nested CV of each method, the leaderboard forecast."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.blending import advice
from ffdi.report import images, plots, style
from ffdi.report.figures import embed
from ffdi.report.page import Block, Gallery, Picture, Section, Text
from ffdi.report.table import Table, intervals, percent, table

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
    return Section(title, (Text(f"{card['why']} {text}"), _methods(frame), _method_table(frame, card["method"])))


def _methods(frame: pd.DataFrame) -> Picture:
    names = frame["method"].tolist()
    series = [
        plots.Dots(frame, "in_sample", label="in-sample", colour=style.ORANGE, size=8, hollow=True),
        plots.Dots(frame, "nested", "low", "high", "nested, 95% interval"),
    ]
    return embed(plots.dots(names, series, "AUC"), "In-sample and nested AUC")


def _method_table(frame: pd.DataFrame, chosen: str) -> Table:
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
    board, level = found["board"], f"{found['level']:.0%} interval"
    kinds = "unseen" if found["leads"] == "unseen" else "seen"
    caption = (
        f"Simulated: {board['public_rows']:,} public and {board['private_rows']:,} private images, "
        f"{board['fake_share']:.0%} fake."
    )
    frame = _frame(found, kinds)
    blocks: list[Block] = []
    if found["smallest_gain"]:
        gains = ", ".join(f"{name.replace('_', ' ')} {gain:.4f}" for name, gain in found["smallest_gain"].items())
        blocks.append(Text(f"Smallest gain of another candidate that noise cannot explain (95%), by rows: {gains}."))
    if found["leads"] != "none":
        series = [
            plots.Dots(frame, part, f"{part}_low", f"{part}_high", part, colour, size=4.5, shift=shift)
            for part, colour, shift in (("public", style.AMBER, -0.14), ("private", style.BLUE, 0.14))
        ]
        figure = plots.dots(list(found["candidates"]), series, f"AUC (bars: {level})")
        blocks += [embed(figure, f"Public and private AUC, kinds of forgery {kinds}", caption)]
    return Section(title, (*blocks, _candidates(found, frame), *_typical(found, folder)))


def _frame(found: Mapping[str, Any], kinds: str) -> pd.DataFrame:
    """Return a row for each candidate: public, public_low, public_high, the same for private, and the rest."""
    rows = []
    for name, one in found["candidates"].items():
        row = {"candidate": name, "chance": one["chance"], "correlation": one["correlation"]}
        for part, span in one[kinds].items():
            row |= {part: span["value"], f"{part}_low": span["low"], f"{part}_high": span["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _candidates(found: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    shown = pd.DataFrame({
        "candidate": frame["candidate"], "AUC": frame["private"],
        "public": intervals(frame, "public_low", "public_high"),
        "private": intervals(frame, "private_low", "private_high"),
        "chance to be better": frame["chance"].map(lambda chance: percent(chance, 0)),
        "rank correlation": frame["correlation"],
        "select": frame["candidate"].map({found["best"]: "first", found["second"]: "second"}).fillna(""),
    })  # fmt: skip
    if found["leads"] == "none":
        shown = shown.drop(columns=["AUC", "public", "private"])
    caption = "Chance to be better and rank correlation: compared with the first."
    formats = {"AUC": ".4f", "rank correlation": ".3f"}
    return table(shown, f"Candidates, {found['level']:.0%} intervals", caption, formats)


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
