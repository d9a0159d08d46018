"""How often the forecast holds, on contests whose test is graded.

    python -m tests.bench forecast SET [--contests N]

SET is a folder like `gan_portraits`: images, and labels.csv with path, label, method and group. Contests are made of
it: the same kinds on both sides, each family of fakes left out of training, another look or another camera on the test;
then the same of nine families of the kit's own forgeries, and of simulated features. A member is a linear head on
embeddings of an ImageNet network in five folds, a proxy for a fine-tuned one: a contest takes seconds. Each contest is
a line as it is done; the counts come last.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from ffdi.blending import adversarial, averaging, probe
from ffdi.blending.adversarial import Adversarial
from ffdi.blending.evidence import Evidence, Source
from ffdi.blending.forecast import forecast
from ffdi.config.competition import Board
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, group_numbers
from tests.bench import forecast_contests as contests
from tests.bench.forecast_contests import Contest

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


def graded(contest: Contest) -> dict[str, object]:
    """Forecast a contest, print it, and return what the public board shows."""
    oof, test_KT = member(contest)
    rows, world = contest.world.rows, contest.world
    train, test = rows.iloc[contest.train], rows.iloc[contest.test]
    fake_N, group_N = train["target"].to_numpy() == 1, group_numbers(train["group"], len(train))
    probe_ND, test_TD = world.probe_ND[contest.train], (contest.test_world or world).probe_ND[contest.test]
    share, own = float(test["target"].mean()), auc(fake_N, oof)
    found = adversarial.compare(probe_ND, fake_N, test_TD, share)
    gain, mix = averaging.gain(test_KT, own, share), adversarial.shift(oof, fake_N, group_N, found)
    lost = probe.cost_of_unseen(probe_ND, fake_N, group_N)
    source = Source(found.auc, found.effective, found.other_source, (), ((), ()))
    public = rng("bench public", contest.name).permutation(len(test)) < len(test) // 2
    true = auc(test["target"].to_numpy()[public], test_KT.mean(axis=0)[public])
    board = Board(public_rows=int(public.sum()), private_rows=int((~public).sum()), fake_share=share)
    one = forecast(oof, fake_N, board, group_N, Evidence(gain, mix, source, lost))
    span = one.unseen.get("public", one.seen["public"]) if contest.kind == "family" else one.seen["public"]
    return line(contest, own, true, span, found)


def line(contest: Contest, oof: float, true: float, span: Interval, source: Adversarial) -> dict[str, object]:
    """Print and return what was forecast for a contest and what its public board shows."""
    held, announced = span.low <= true <= span.high, source.other_source
    print(
        f"{contest.kind:<7} {contest.name:<34} OOF {oof:.3f}, forecast {span.value:.3f} "
        f"({span.low:.3f}-{span.high:.3f}), graded {true:.3f} {'held' if held else 'MISSED'}; "
        f"train against test {source.auc:.2f}, effective {source.effective:.0%}{', announced' if announced else ''}",
        flush=True,
    )
    return {"kind": contest.kind, "name": contest.name, "held": held, "announced": announced, "adversarial": source.auc,
            "effective": source.effective, "error": span.value - true, "below": max(span.low - true, 0.0)}  # fmt: skip


def counts(found: pd.DataFrame) -> str:
    """Return a line for each kind of contest: how often the forecast held, and how far off it was."""
    by_kind = found.groupby("kind", sort=False)
    table = by_kind[["held"]].agg("sum").assign(
        contests=by_kind.size(), announced=by_kind["announced"].sum(), mean_error=by_kind["error"].mean(),
        most_below=by_kind["below"].max(), adversarial=by_kind["adversarial"].median(),
    )  # fmt: skip
    return table.round(4).to_string()


def of_images(folder: Path, work: Path, count: int) -> Iterator[Contest]:
    real = contests.read_set(folder)
    yield from contests.same_kinds("real", real, 2 * count)
    yield from contests.family_left_out("real", real, count)
    yield from contests.by_look("real", real)
    for side, quality in ((100, 70), (150, 85)):
        camera = contests.other_camera(real, folder, work / f"camera{side}", side, quality)
        for number in range(count):
            train, test = contests.split(real, 0.4, "camera", side, number)
            yield Contest("source", f"camera {side} {number}", real, train, test, camera)
    forged = contests.forged(real, folder, work / "forged")
    yield from contests.same_kinds("forged", forged, count)
    yield from contests.family_left_out("forged", forged, max(count // 3, 1), 4)
    yield from contests.by_look("forged", forged)


def of_numbers(count: int) -> Iterator[Contest]:
    for number in range(count):
        world = contests.simulated(number)
        yield from contests.same_kinds(f"simulated {number}", world, 1)
        yield from list(contests.family_left_out(f"simulated {number}", world, 1))[:2]


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("set", type=Path)
    parser.add_argument("--contests", type=int, default=6, help="of each sort")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        begun = chain(of_numbers(4 * options.contests), of_images(options.set, Path(work), options.contests))
        found = [graded(contest) for contest in begun]
        print(counts(pd.DataFrame(found)))
