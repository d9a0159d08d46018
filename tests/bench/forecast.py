"""How often the forecast holds, on contests whose test is graded.

    python -m tests.bench.forecast SET [--contests N] [--fine-tune N]

SET is a folder like `gan_portraits`: images, and labels.csv with path, label, method and group. Contests are made of it:
the same kinds on both sides, each family of fakes left out of training, another look or another camera on the test;
then the same of nine families of the kit's own forgeries, and of simulated features. A member is a linear head on
embeddings of an ImageNet network in five folds, a proxy for a fine-tuned one: a contest takes seconds. `--fine-tune`
adds true ones, by the verbs of the kit. Each contest is a line as it is done; the counts come last.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from ffdi.blending import adversarial, averaging, unseen
from ffdi.blending.evidence import Evidence, Source
from ffdi.blending.forecast import forecast
from ffdi.blending.influence import held_out
from ffdi.blending.shift import NO_SHIFT, Shift
from ffdi.config.competition import Board
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from tests.bench import forecast_contests as contests
from tests.bench.forecast_contests import Contest, World

FOLDS = 5


def member(contest: Contest) -> tuple[np.ndarray, np.ndarray]:
    """Return OOF scores and test scores [K, T] of a linear head in folds."""
    world, rows = contest.world, contest.world.rows
    features_ND, target = world.member_ND[contest.train], rows["target"].to_numpy()[contest.train]
    test_TD = (contest.test_world or world).member_ND[contest.test]
    mean_D, spread_D = features_ND.mean(axis=0), features_ND.std(axis=0) + 1e-9
    group = np.unique(rows["group"].to_numpy()[contest.train], return_inverse=True)[1]
    fold = (rng("bench folds", contest.name).permutation(group.max() + 1) % FOLDS)[group]
    oof, tests = np.empty(len(target)), []
    for number in range(FOLDS):
        head = LogisticRegression(C=0.01, max_iter=300)
        head.fit((features_ND[fold != number] - mean_D) / spread_D, target[fold != number])
        oof[fold == number] = head.decision_function((features_ND[fold == number] - mean_D) / spread_D)
        tests.append(head.decision_function((test_TD - mean_D) / spread_D))
    return oof, np.stack(tests)


def graded(contest: Contest, oof: np.ndarray, test_KT: np.ndarray) -> list[dict[str, object]]:
    """Return what each way to forecast says and what the public board then shows."""
    rows, world = contest.world.rows, contest.world
    train, test = rows.iloc[contest.train], rows.iloc[contest.test]
    known = held_out(train["target"], train["group"])
    probe_ND, test_TD = world.probe_ND[contest.train], (contest.test_world or world).probe_ND[contest.test]
    found = adversarial.compare(probe_ND, test_TD)
    share = float(test["target"].mean())
    gain = averaging.gain(test_KT, auc(known.target_N, oof), share)
    weighed = adversarial.shift(oof, known, found.weight_N)
    lost = unseen.measure(probe_ND, known)
    source = Source(found.auc, found.effective, len(train), found.other_source, (), ((), ()))
    ways = {
        "neither": Evidence(source=source, unseen=lost),
        "fixed": Evidence(Shift(0.1, 0.1), source=source, unseen=lost),
        "averaging": Evidence(gain, source=source, unseen=lost),
        "mix": Evidence(mix=weighed, source=source, unseen=lost),
        "both": Evidence(gain, weighed, source, lost),
    }
    public = rng("bench public", contest.name).permutation(len(test)) < len(test) // 2
    true = auc(test["target"].to_numpy()[public], test_KT.mean(axis=0)[public])
    whole = auc(test["target"], test_KT.mean(axis=0))
    board = Board(public_rows=int(public.sum()), private_rows=int((~public).sum()), fake_share=share)
    lines = []
    for way, evidence in ways.items():
        made = forecast({"a": oof}, known.target_N, "a", board, group_N=known.group_N, evidence=evidence)
        one = made.candidates["a"]
        span = one.unseen.get("public", one.seen["public"]) if contest.kind == "family" else one.seen["public"]
        lines.append({
            "kind": contest.kind, "name": contest.name, "way": way, "oof": auc(known.target_N, oof), "true": true, "whole": whole,
            "value": span.value, "low": span.low, "high": span.high, "adversarial": found.auc,
            "effective": found.effective, "gain": gain.value, "mix": weighed.value, "mix_se": weighed.se, "announced": made.leads == "none",
            "loss": lost.shift.value if lost else np.nan, "loss_se": lost.shift.se if lost else np.nan, "seen_low": one.seen["public"].low,
        })  # fmt: skip
    return lines


RECIPE = """name = "bench"
competition = "{competition}"
[folds]
k = 3
embedding = "tf_efficientnet_lite0"
[defaults]
epochs = 7
batch_size = 8
lr = 1e-3
image_size = 112
ema_decay = 0
augment = {{preset = "none", hflip = true}}
[[member]]
name = "lite0"
model = "tf_efficientnet_lite0"
"""
COMPETITION = """name = "bench-forecast"
title = "Bench"
slug = "bench"
id_column = "id"
prediction_column = "score"
submissions_per_day = 5
[train]
labels = "train.csv"
images = "train"
[test]
labels = "test.csv"
images = "test"
has_target = false
[board]
public_rows = {rows}
private_rows = {rows}
fake_share = {share:.3f}
{unseen}
"""


def fine_tuned(contest: Contest, images: Path, test_images: Path) -> dict[str, object]:
    """Train one member by the verbs of the kit, and return what its card says and the test then shows."""
    rows = contest.world.rows
    parts = {"train": (contest.train, images), "test": (contest.test, test_images)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, (numbers, source) in parts.items():
            part = rows.iloc[numbers].assign(id=[f"{split}{number}.jpg" for number in numbers])
            part[["id", "target"]].to_csv(folder / f"{split}.csv", index=False)
            (folder / split).mkdir()
            for one in part.itertuples():
                (folder / split / one.id).symlink_to((source / one.relpath).resolve())
        test = part.set_index("id")["target"]
        unseen_share = "unseen = 1.0" if contest.kind == "family" else ""
        made = COMPETITION.format(rows=len(test) // 2, share=test.mean(), unseen=unseen_share)
        (folder / "competition.toml").write_text(made)
        (folder / "recipe.toml").write_text(RECIPE.format(competition=folder / "competition.toml"))
        places = ["--recipe", "recipe.toml", "--data", ".", "--work", "work", "--submissions", "submissions"]
        for verb in ("folds", "train", "blend"):
            subprocess.run([sys.executable, "-m", "ffdi.cli.main", verb, *places], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        sent = next((folder / "submissions").glob("*/submission.csv"))
        card = json.loads((sent.parent / "card.json").read_text())
        score = pd.read_csv(sent).set_index("id")["score"]
    found, public = card["forecast"], rng("bench public", contest.name).permutation(len(test)) < len(test) // 2
    kinds = "unseen" if contest.kind == "family" else "seen"
    span, check = found["candidates"][found["best"]][kinds]["public"], found["evidence"]["source"]
    true = auc(test.to_numpy()[public], score.loc[test.index].to_numpy()[public])
    return line(contest, card["blend"]["auc"]["value"], true, span, check["auc"], check["effective"], found["leads"])


def line(
    contest: Contest, oof: float, true: float, span: dict[str, float], told_apart: float, effective: float, leads: str
) -> dict[str, object]:
    """Print and return what was forecast for a contest and what its public board shows."""
    held = span["low"] <= true <= span["high"]
    found = {"kind": contest.kind, "name": contest.name, "oof": oof, "true": true, **span, "held": held,
             "adversarial": told_apart, "effective": effective, "announced": leads == "none"}  # fmt: skip
    print(
        f"{contest.kind:<7} {contest.name:<34} OOF {oof:.3f}, forecast {span['value']:.3f} ({span['low']:.3f}-"
        f"{span['high']:.3f}), graded {true:.3f} {'held' if held else 'MISSED'}; train against test {told_apart:.2f}, "
        f"effective {effective:.0%}{', announced' if leads == 'none' else ''}",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("set", type=Path)
    parser.add_argument("--contests", type=int, default=12)
    options = parser.parse_args()
    print(options)


if __name__ == "__main__":
    main()
