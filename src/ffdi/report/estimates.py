"""Sections of the blend page: what to send, nested CV of each method, the leaderboard forecast."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ffdi.report import plots, style
from ffdi.report.figures import embed
from ffdi.report.page import Picture, Section, Text
from ffdi.report.table import Table, interval, intervals, percent, table

ALONE = " alone"  # ending of a candidate that is one member
BASELINE = "rank_mean"  # equal weights
WORDS = (
    "AUC: the share of pairs (one fake, one original) in which the fake has the higher score; 1 is perfect, 0.5 is "
    "chance. OOF (out of fold): scored by models that were not trained on the image. Nested: the weights of the blend "
    "were fitted without it too."
)
UNKNOWN = "If the leaderboard has other kinds of forgery, the score may be far lower. How far was not measured."


def advice(card: Mapping[str, Any], file: str) -> Section:
    """Return what to send, why, and what score to expect."""
    members = sorted(card["members"], key=lambda member: -member["weight"])
    shares = ", ".join(f"{member['name']} {member['weight']:.0%}" for member in members)
    texts = [Text(f"Send {file}. Method: {card['method']}. Weights: {shares}. Why: {card['why']}")]
    found = card["forecast"]
    if found:
        texts += [Text(_expected(found)), Text(_unseen(found), warning=True), Text(_second(found))]
    return Section("What to send, and why", (*texts, Text(WORDS)))


def _expected(found: Mapping[str, Any]) -> str:
    best = found["candidates"][found["best"]]
    spans = [interval(best[board]["low"], best[board]["high"], ".3f") for board in ("private", "public")]
    return (
        f"Expected AUC, if the leaderboard has the same kinds of forgery as the data: {best['private']['value']:.3f}. "
        f"{found['level']:.0%} interval: {spans[0]} on the private part, {spans[1]} on the public part."
    )


def _unseen(found: Mapping[str, Any]) -> str:
    lowest = found["candidates"][found["best"]]["lowest"]
    if not lowest:
        return UNKNOWN
    return (
        f"If the leaderboard has other kinds of forgery, the private AUC may fall to {lowest['private']:.3f}. This was "
        "measured by holding out whole clusters of fakes."
    )


def _second(found: Mapping[str, Any]) -> str:
    name = found["second"]
    if name is None:
        return "A second submission is not worth it: no other candidate ranks the images differently."
    made = f'weights = {{ "{name.removesuffix(ALONE)}" = 1 }}' if name.endswith(ALONE) else f'method = "{name}"'
    return (
        f"If you may select two submissions, add {name}. It ranks the images differently. The chance that its private "
        f"AUC is higher is {found['candidates'][name]['chance']:.0%}. To make it, write {made} under [blend] in the "
        "recipe and run ffdi blend."
    )


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


def forecast(card: Mapping[str, Any]) -> Section:
    """Return the forecast of the leaderboard; no block without one."""
    found, title = card["forecast"], "Leaderboard forecast"
    if not found:
        return Section(title, ())
    board, level = found["board"], f"{found['level']:.0%} interval"
    mix = "".join(f", {share:.0%} {name}" for name, share in (board.get("mix") or {}).items())
    caption = (
        f"Simulated: {board['public_rows']:,} public and {board['private_rows']:,} private images, "
        f"{board['fake_share']:.0%} fake{mix}, of the kinds that were held out."
    )
    texts = []
    if found["smallest_gain"]:
        gains = ", ".join(f"{name.replace('_', ' ')} {gain:.4f}" for name, gain in found["smallest_gain"].items())
        texts.append(Text(f"Smallest gain of another candidate that noise cannot explain (95%), by rows: {gains}."))
    if found["shift"]["why"]:
        texts.append(Text(found["shift"]["why"]))
    frame = _frame(found)
    series = [
        plots.Dots(frame, part, f"{part}_low", f"{part}_high", part, colour, size=4.5, shift=shift)
        for part, colour, shift in (("public", style.AMBER, -0.14), ("private", style.BLUE, 0.14))
    ]
    figure = plots.dots(list(found["candidates"]), series, f"AUC (bars: {level})")
    return Section(title, (*texts, embed(figure, "Public and private AUC", caption), _candidates(found, frame)))


def _frame(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row for each candidate: public, public_low, public_high, the same for private, and the rest."""
    rows = []
    for name, one in found["candidates"].items():
        row = {"candidate": name, "chance": one["chance"], "correlation": one["correlation"]}
        for part in ("public", "private"):
            row |= {part: one[part]["value"], f"{part}_low": one[part]["low"], f"{part}_high": one[part]["high"]}
        rows.append(row | {"lowest": one["lowest"].get("private", math.nan)})
    return pd.DataFrame(rows)


def _candidates(found: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    shown = pd.DataFrame({
        "candidate": frame["candidate"], "AUC": frame["private"],
        "public": intervals(frame, "public_low", "public_high"),
        "private": intervals(frame, "private_low", "private_high"), "lowest, unseen kinds": frame["lowest"],
        "chance to be better": frame["chance"].map(lambda chance: percent(chance, 0)),
        "rank correlation": frame["correlation"],
        "select": frame["candidate"].map({found["best"]: "first", found["second"]: "second"}).fillna(""),
    }).dropna(axis=1, how="all")  # fmt: skip
    caption = "AUC is nested. Chance to be better and rank correlation: compared with the first."
    formats = {"AUC": ".4f", "rank correlation": ".3f", "lowest, unseen kinds": ".4f"}
    return table(shown, f"Candidates, {found['level']:.0%} intervals", caption, formats)
