from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.errors import FfdiError, UserError
from ffdi.core.stop import Stop
from ffdi.data import decode
from ffdi.infer import team
from ffdi.infer.flops import flops
from ffdi.infer.nets import Net
from ffdi.infer.plan import MARGIN, WINDOW, Cell, Plan, surrenders
from ffdi.infer.predict import predict
from ffdi.infer.team import predict_team
from ffdi.model import precision
from ffdi.model.build import build, data_config
from ffdi.model.weights import load_weights, save_weights
from tests.infer.conftest import SIDE

CPU = torch.device("cpu")


def member(name: str, model: str = "test_resnet", **wishes: object) -> Member:
    fields = {"name": name, "model": model, "weights": "none", "image_size": SIDE, "batch_size": 4}
    return Member.model_validate({**fields, **wishes})


def sealed(folder: Path, spec: Member, fold: int) -> Net:
    """A net with sealed weights, another for every fold."""
    path = folder / f"{spec.name}-{fold}.safetensors"
    save_weights(path, build(spec.model_copy(update={"seed": fold})).eval(), spec, {})
    return Net(spec, fold, path)


def alone(net: Net, rows: pd.DataFrame, folder: Path) -> np.ndarray:
    """logits_RV of one net by `predict`, as a finished fold makes them."""
    model = build(net.member, pretrained=False)
    load_weights(net.weights, model)
    last = precision.wants_channels_last(model)
    model = precision.place(model, CPU, last)
    views = net.member.tta
    frame = predict(
        model,
        rows,
        folder,
        size=net.size,
        views=views,
        mean_std=data_config(model)[:2],
        device=CPU,
        batch_size=net.member.batch_size,
        workers=0,
        channels_last=last,
    )
    return frame.logit.to_numpy().reshape(len(rows), len(views))


def run(nets: list[Net], rows: pd.DataFrame, folder: Path, **wishes: Any) -> team.TeamLogits:
    return predict_team(nets, rows, folder, **{"devices": [CPU], "workers": 0, **wishes})


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> list[Net]:
    """Three members of two sizes, two architectures, two batch sizes and different views; two folds of one."""
    specs = [
        member("a", tta=("identity", "hflip")),
        member("b", "test_vit", tta=("hflip",), batch_size=6),
        member("c", image_size=48, tta=("rot90", "identity", "scale:1.25")),
    ]
    folder = tmp_path_factory.mktemp("nets")
    return [sealed(folder, spec, fold) for spec in specs for fold in ((0, 1) if spec.name == "a" else (0,))]


@pytest.mark.parametrize(
    "wishes",
    [{}, {"workers": 2}, {"devices": [CPU, CPU]}, {"memory": 1}, {"stop": Stop(1e18)}],
    ids=["plain", "workers", "two devices", "one net at a time", "distant deadline"],
)
def test_every_bit_is_that_of_the_nets_alone(
    nets: list[Net], rows: pd.DataFrame, tmp_path: Path, wishes: dict[str, Any]
) -> None:
    (tmp_path / rows.id[3]).write_bytes(b"broken")
    rows = rows.assign(status=["quarantined" if index == 7 else "ok" for index in range(len(rows))])
    found = run(nets, rows, tmp_path, **wishes)
    assert found.dropped == ()
    assert np.flatnonzero(found.imputed_R).tolist() == [3, 7]
    assert not found.unreached_R.any()
    for net in nets:
        assert found.views[net.key] == net.member.tta
        assert found.logits[net.key].dtype == np.float32
        np.testing.assert_array_equal(found.logits[net.key], alone(net, rows, tmp_path))
    assert not np.array_equal(found.logits["a", 0], found.logits["a", 1])


def test_an_image_is_decoded_once_for_all_nets_of_a_size(
    nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(data: bytes) -> decode.Decoded:
        nonlocal count
        count += 1
        return decode.decode(data)

    monkeypatch.setattr("ffdi.data.source.decode", counted)
    run(nets, rows, tmp_path)
    assert count == 2 * len(rows)


def test_whole_batches_go_to_the_devices_in_turn(
    nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, seen = team._Lane.take, []

    def noted(lane: Any, batch: Any) -> None:
        seen.append((id(lane), len(batch.rows_B)))
        take(lane, batch)

    monkeypatch.setattr(team._Lane, "take", noted)
    run(nets[:2], rows, tmp_path, devices=[CPU, CPU])
    first, second = seen[0][0], seen[1][0]
    assert first != second
    assert seen == [(first, 4), (second, 4), (first, 3)]


def test_nothing_readable_still_gives_every_row(nets: list[Net], rows: pd.DataFrame, tmp_path: Path) -> None:
    found = run(nets[:1], rows.assign(status="quarantined"), tmp_path)
    assert found.imputed_R.all()
    assert not found.unreached_R.any()
    assert found.logits["a", 0].shape == (11, 2)


@dataclass
class Clock:
    """A second passes for each image and view that a net works at."""

    now: float = 0.0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        true = team._logits

        def timed(loaded: Any, images_BCHW: torch.Tensor, view: str) -> torch.Tensor:
            self.now += len(images_BCHW)
            return true(loaded, images_BCHW, view)

        monkeypatch.setattr(team, "_logits", timed)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Net]:
    """Two members alike, two folds and two views each: eight cells, 88 seconds for eleven images."""
    specs = [member(name, batch_size=1, tta=("hflip", "identity")) for name in "ab"]
    folder = tmp_path_factory.mktemp("pair")
    return [sealed(folder, spec, fold) for spec in specs for fold in (0, 1)]


class TestDeadline:
    def test_what_is_kept_is_kept_for_every_row_with_the_same_bits(
        self, pair: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = run(pair, rows, tmp_path)
        clock = Clock()
        clock.watch(monkeypatch)
        found = run(pair, rows, tmp_path, stop=Stop(50.0, clock=lambda: clock.now))
        given_up = ["view hflip of b", "view hflip of a", "fold 1 of b"]
        assert list(found.dropped) == [f"{what}, for want of time" for what in given_up]
        assert clock.now <= 50
        assert not found.imputed_R.any()
        assert set(found.logits) == {("a", 0), ("a", 1), ("b", 0)}
        for key, logits_RV in found.logits.items():
            assert found.views[key] == ("identity",)
            np.testing.assert_array_equal(logits_RV, whole.logits[key][:, 1:])

    def test_rows_that_no_net_reached_are_told_apart(
        self, pair: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / rows.id[1]).unlink()
        clock = Clock()
        clock.watch(monkeypatch)
        found = run(pair, rows, tmp_path, stop=Stop(28.0, clock=lambda: clock.now))
        assert list(found.logits) == [("a", 0)]
        assert np.flatnonzero(found.unreached_R).tolist() == [7, 8, 9, 10]
        assert np.flatnonzero(found.imputed_R).tolist() == [1, 7, 8, 9, 10]

    def test_a_group_that_is_cut_short_counts_for_nothing(
        self, nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Sixty-six seconds for the nets of 64 px; then the others begin, and a signal comes."""
        clock = Clock()
        clock.watch(monkeypatch)
        stop = Stop(1e9, clock=lambda: 2e9 if clock.now > 70 else 0.0)
        found = run(nets, rows, tmp_path, stop=stop)
        assert set(found.logits) == {("a", 0), ("a", 1), ("b", 0)}
        assert not found.imputed_R.any()

    def test_a_deadline_long_past_leaves_every_row_to_the_prior(
        self, pair: list[Net], rows: pd.DataFrame, tmp_path: Path
    ) -> None:
        found = run(pair, rows, tmp_path, stop=Stop(0.0))
        assert found.unreached_R.all()
        assert found.imputed_R.all()


CELLS = [Cell(name, fold, view) for name in "abc" for fold in (0, 1) for view in ("hflip", "identity")]


def test_the_order_of_surrender() -> None:
    assert [surrender.what for surrender in surrenders(CELLS)] == [
        *(f"view hflip of {name}" for name in "cba"),
        *(f"fold 1 of {name}" for name in "cba"),
        *(f"member {name}" for name in "cb"),
    ]


@settings(max_examples=50)
@given(
    costs=st.lists(st.floats(0.1, 10), min_size=len(CELLS), max_size=len(CELLS)),
    rate=st.floats(0.01, 100),
    lanes=st.integers(1, 3),
    split=st.integers(0, len(CELLS)),
    share=st.floats(0, 1.5),
)
def test_at_least_one_plain_net_sees_every_row_in_time(
    costs: list[float], rate: float, lanes: int, split: int, share: float
) -> None:
    """Whatever the cells cost, in two groups one after the other: if one cell can be done, it is, and no batch is late.

    The least time that can be kept: all cells until the speed is known, then the dearest alone, and the margin.
    """
    cost = dict(zip(CELLS, costs, strict=True))
    batches, size = 40, 4
    whole = rate * batches * size * sum(costs)
    start = rate * size * 2 * WINDOW * lanes * sum(costs)
    seconds = start + MARGIN * rate * batches * size * max(costs) + share * whole
    now = 0.0
    plan = Plan(cost, batches * size, lanes, Stop(seconds, clock=lambda: now))
    for group in (CELLS[:split], CELLS[split:]):
        plan.measure_anew()
        for _ in range(batches):
            cells = [cell for cell in group if cell in plan.kept]
            if not cells:
                break
            now += rate * size * sum(cost[cell] for cell in cells)
            plan.done(cells, size)
    assert plan.complete() == list(plan.kept) != []
    assert CELLS[1] in plan.kept
    assert now <= seconds
    if share >= MARGIN:
        assert plan.dropped == []


class TestNotFinite:
    def test_a_net_that_overflows_is_given_up(
        self, nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.spoil(monkeypatch, {("a", 1), ("c", 0)})
        found = run(nets, rows, tmp_path)
        assert set(found.logits) == {("a", 0), ("b", 0)}
        assert found.dropped[0] == f"fold 1 of a, whose logit of {rows.id[0]} is not finite"
        np.testing.assert_array_equal(found.logits["a", 0], alone(nets[0], rows, tmp_path))

    def test_the_last_one_is_an_error(
        self, nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.spoil(monkeypatch, {net.key for net in nets})
        with pytest.raises(FfdiError, match="No net is left to predict: fold 0 of c"):
            run(nets, rows, tmp_path)

    def spoil(self, monkeypatch: pytest.MonkeyPatch, keys: set[tuple[str, int | str]]) -> None:
        true = team._logits

        def logits(loaded: Any, images_BCHW: torch.Tensor, view: str) -> torch.Tensor:
            return true(loaded, images_BCHW, view) + (float("inf") if loaded.net.key in keys else 0)

        monkeypatch.setattr(team, "_logits", logits)


def test_moved_golden_outputs_are_refused(nets: list[Net], rows: pd.DataFrame, tmp_path: Path) -> None:
    arrays, facts = checksum.read_tensors(nets[0].weights)
    arrays["golden/outputs_BK"] += 0.1
    checksum.write_tensors(tmp_path / "moved", arrays, facts)
    with pytest.raises(FfdiError, match="golden outputs moved"):
        run([nets[1], Net(nets[0].member, 0, tmp_path / "moved")], rows, tmp_path)


def test_a_net_given_twice_and_an_empty_team_are_refused(nets: list[Net], rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a fold 0 is given twice"):
        run([nets[0], nets[1], nets[0]], rows, tmp_path)
    with pytest.raises(UserError, match="no net is given"):
        run([], rows, tmp_path)


def test_flops_are_those_of_the_paper() -> None:
    """ResNet-18 has 1.8e9 multiply-adds at 224 px (He et al. 2015, table 1); four times the pixels, four times that."""
    spec = member("m", "resnet18", image_size=224)
    assert flops(spec) / 2 == pytest.approx(1.8e9, rel=0.02)
    assert flops(spec, "scale:2") / flops(spec) == pytest.approx(4, rel=0.01)
