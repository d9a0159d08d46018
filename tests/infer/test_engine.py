"""The predictor: every logit belongs to its id and view, whatever the nets, workers and devices around it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ffdi.core import checksum
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import Stop
from ffdi.data import decode
from ffdi.infer import engine
from ffdi.infer.engine import TeamLogits, predict, predict_team
from ffdi.infer.nets import LoadedNet, Net, apply_view, logits
from ffdi.model.build import build
from tests.fixtures.members import member, warmed

SIDE = 64
CPU = torch.device("cpu")


class Linear(nn.Module):
    """A linear function of the pixels, so that the logit of every image and view can be worked out by hand."""

    pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        weight = torch.linspace(-1, 1, classes * 3 * SIDE * SIDE).reshape(classes, 3, SIDE, SIDE).roll(7)
        self.weight = nn.Parameter(weight / SIDE)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", images_BCHW, self.weight)


Run = Callable[..., pd.DataFrame]


@pytest.fixture
def run(rows: pd.DataFrame, tmp_path: Path) -> Run:
    """`run(model, tta=…)`: the table of one net, in batches of four."""

    def predicted(
        model: nn.Module, some: pd.DataFrame = rows, workers: int = 0, stop: Stop | None = None, **fields: Any
    ) -> pd.DataFrame:
        net = Net(member(**{"batch_size": 4, **fields}), 0, model)
        return predict(net, some, tmp_path, device=CPU, workers=workers, stop=stop)

    return predicted


def by_hand(model: Linear, path: Path, view: str) -> float:
    image_HWC = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    image_BCHW = torch.from_numpy(image_HWC / 127.5 - 1).permute(2, 0, 1)[None]
    outputs = (apply_view(image_BCHW, view) * model.weight.double()).sum((1, 2, 3)).tolist()
    return outputs[0] if len(outputs) == 1 else outputs[1] - outputs[0]


@pytest.mark.parametrize("classes", [1, 2])
def test_every_logit_is_that_of_its_id_and_view(rows: pd.DataFrame, tmp_path: Path, run: Run, classes: int) -> None:
    model, views = Linear(classes), ("hflip", "identity", "rot90")
    frame = run(model, tta=views)
    assert list(frame.columns) == ["id", "view", "logit", "imputed"]
    assert (frame.logit.dtype, frame.imputed.dtype) == (np.float32, bool)
    assert not frame.imputed.any()
    assert frame.id.tolist() == [name for name in rows.id for _ in views]
    assert frame["view"].tolist() == list(views) * len(rows)
    wanted = [by_hand(model, tmp_path / name, view) for name in rows.id for view in views]
    assert np.std(wanted) > 0.1
    np.testing.assert_allclose(frame.logit, wanted, atol=1e-3)


def test_an_image_is_decoded_once_for_all_views_and_all_nets_of_a_size(
    nets: list[Net], rows: pd.DataFrame, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def counted(data: bytes) -> decode.Decoded:
        decoded.append(len(data))
        return decode.decode(data)

    monkeypatch.setattr("ffdi.data.images.decode", counted)
    assert len(run(Linear(), tta=("six",))) == 6 * len(rows)
    assert len(decoded) == len(rows)
    predict_team(nets, rows, tmp_path, devices=[CPU], workers=0)
    assert len(decoded) == 3 * len(rows)  # two sizes


def test_parts_of_whole_batches_equal_all_at_once(rows: pd.DataFrame, run: Run) -> None:
    """So a long prediction can be kept in parts, and go on after a stop."""
    net = warmed("test_resnet")
    parts = [run(net, rows[first : first + 8]) for first in (0, 8)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), run(net), check_exact=True)


def test_model_and_generators_are_left_as_they_were(run: Run) -> None:
    net: Any = warmed("test_vit")
    net.blocks[0].eval()  # frozen by someone
    modes = [module.training for module in net.modules()]
    tensors = {name: (tensor.clone(), tensor.stride()) for name, tensor in net.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    run(net, tta=("six", "scale:1.25"), workers=2)
    assert [module.training for module in net.modules()] == modes
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, tensors[name][0])
        assert tensor.stride() == tensors[name][1]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("model", ["test_vit", "test_resnet"])
def test_test_size_and_scales_differ_from_the_trained_size(run: Run, model: str) -> None:
    frame = run(warmed(model), test_size=96, tta=("identity", "scale:0.5", "crop:0.875"))
    assert np.isfinite(frame.logit).all()
    assert frame.groupby("id").logit.nunique().eq(3).all()


# Inference mode shows `item` and `is_nonzero`, other modes `_local_scalar_dense`.
READS = {f"aten::{name}" for name in ("item", "is_nonzero", "_local_scalar_dense", "nonzero", "equal", "masked_select")}


class NoRead(TorchDispatchMode):
    """Fail on every operation that makes this process wait for a GPU: a tensor read on the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.name() not in READS
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("stem", ["rgb", "srm", "npr", "dct"])
@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_nothing_in_the_loop_waits_for_the_device(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, stem: str
) -> None:
    one = member(model, stem=stem, batch_size=4, tta=("six", "scale:1.25"))
    loop, seen = engine.run, []

    def watched(*arguments: Any) -> Iterator[Any]:
        batches = loop(*arguments)
        yield next(batches)  # the loader starts: that is before the loop
        with NoRead():
            for found in batches:
                seen.append(found)
                yield found

    monkeypatch.setattr(engine, "run", watched)
    predict(Net(one, 0, build(one)), rows, tmp_path, device=CPU)
    assert len(seen) == 2


def test_what_cannot_be_read_is_imputed_and_named(
    rows: pd.DataFrame, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(Linear(), tta=("flips",))
    gone, cut = rows.id[2], rows.id[7]
    (tmp_path / gone).unlink()
    (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:100])
    frame = run(Linear(), tta=("flips",))
    assert set(frame.id[frame.imputed]) == {gone, cut}
    assert frame.logit[frame.imputed].isna().all()
    pd.testing.assert_frame_equal(frame[~frame.imputed], whole[~frame.imputed], check_exact=True)
    assert f"2 images ({gone}, {cut}) cannot be read" in capsys.readouterr().err


class TestNotFinite:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_the_ids_are_named(self, rows: pd.DataFrame, tmp_path: Path, run: Run, value: float) -> None:
        """Two images alone have such a logit, because of what they show."""
        for name in rows.id[[4, 9]]:
            cv2.imwrite(str(tmp_path / name), np.zeros((SIDE, SIDE, 3), np.uint8))

        class Broken(Linear):
            def forward(self, images_BCHW: Tensor) -> Tensor:
                black_B = (images_BCHW == -1).all(dim=(1, 2, 3))
                return super().forward(images_BCHW).masked_fill(black_B[:, None], value)

        assert np.isfinite(run(Broken(), rows.drop([4, 9])).logit).all()
        with pytest.raises(FfdiError, match=rf"fold 0 of m, whose logits of 1 image \({rows.id[4]}\) are not finite"):
            run(Broken())
        with pytest.raises(FfdiError, match=rf"2 images \({rows.id[4]}, {rows.id[9]}\).*set amp = \"off\""):
            run(Broken(), batch_size=16)

    def test_the_black_pixels_of_an_unreadable_image_do_not_count(
        self, rows: pd.DataFrame, tmp_path: Path, run: Run
    ) -> None:
        class Broken(Linear):
            def forward(self, images_BCHW: Tensor) -> Tensor:
                return super().forward(images_BCHW) / (images_BCHW != -1).any(dim=(1, 2, 3))[:, None]

        (tmp_path / rows.id[3]).write_bytes(b"")
        assert run(Broken()).imputed.tolist() == [index == 3 for index in range(len(rows))]

    def test_such_a_net_of_a_team_is_dropped_and_the_last_one_is_an_error(
        self, nets: list[Net], rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        true, broken = LoadedNet.logits, {("a", 1), ("c", 0)}

        def overflowed(net: LoadedNet, images_BCHW: Tensor, view: str) -> Tensor:
            return true(net, images_BCHW, view) + (float("inf") if net.net.key in broken else 0)

        monkeypatch.setattr(LoadedNet, "logits", overflowed)
        found = team(nets, rows, tmp_path)
        assert set(found.logits) == {("a", 0), ("b", 0)}
        assert found.dropped[0].startswith(f"fold 1 of a: whose logits of 11 images ({rows.id[0]}")
        broken |= {net.key for net in nets}
        with pytest.raises(FfdiError, match="No net is left to predict: fold 0 of c"):
            team(nets, rows, tmp_path)


def test_a_stop_ends_between_two_batches(rows: pd.DataFrame, run: Run) -> None:
    seen: list[int] = []

    class Counted(Linear):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            seen.append(len(images_BCHW))
            return super().forward(images_BCHW)

    with pytest.raises(Paused, match="predict: stopped"):
        run(Counted(), stop=Stop(deadline=10.0, clock=lambda: 10.0 * (len(seen) >= 2)))
    assert seen == [4, 4]
    assert len(run(Linear(), stop=Stop(deadline=10.0, clock=lambda: 0.0))) == len(rows)


def test_a_half_precision_body_has_a_float_head() -> None:
    """Logits near 8 are 0.06 apart in bf16, so they would tie; here the body alone is in bf16."""
    net: Any = warmed("test_vit").eval()
    with torch.no_grad():
        net.get_classifier().weight.mul_(0.05)
        net.get_classifier().bias.fill_(8.0)
    images = torch.randn(64, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        exact, half = logits(net, images), logits(net, images, torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16):
            tied = net(images)[:, 0].float()
    assert len(set(half.tolist())) == 64
    assert len(set(tied.tolist())) < 48
    assert (half - exact).abs().max() < 0.2 * (exact.max() - exact.min())


def team(nets: list[Net], rows: pd.DataFrame, folder: Path, **options: Any) -> TeamLogits:
    return predict_team(nets, rows, folder, **{"devices": [CPU], "workers": 0, **options})


@pytest.fixture(scope="module")
def nets(make_net: Callable[..., Net]) -> list[Net]:
    """Three members of two sizes, two architectures, two batch sizes and different views; two folds of one."""
    return [
        make_net("a", 0, tta=("identity", "hflip")),
        make_net("a", 1, tta=("identity", "hflip")),
        make_net("b", 0, model="test_vit", tta=("hflip",), batch_size=6),
        make_net("c", 0, image_size=48, tta=("rot90", "identity", "scale:1.25")),
    ]


@pytest.mark.parametrize(
    ("options", "memory"),
    [
        ({}, 2**30),
        ({"workers": 2}, 2**30),
        ({"devices": [CPU, CPU]}, 2**30),
        ({}, 1),
        ({"stop": Stop(1e18)}, 2**30),
    ],
    ids=["plain", "workers", "two devices", "one net at a time", "distant deadline"],
)
def test_every_bit_of_a_team_is_that_of_its_nets_alone(
    nets: list[Net],
    rows: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    memory: int,
) -> None:
    monkeypatch.setattr(engine, "memory_for_weights", lambda _: memory)
    (tmp_path / rows.id[3]).write_bytes(b"broken")
    found = team(nets, rows, tmp_path, **options)
    assert found.dropped == ()
    assert np.flatnonzero(found.imputed_R).tolist() == [3]
    assert not found.unreached_R.any()
    for net in nets:
        alone = predict(net, rows, tmp_path, device=CPU).logit.to_numpy().reshape(len(rows), -1)
        assert found.views[net.key] == net.member.tta
        assert found.logits[net.key].dtype == np.float32
        np.testing.assert_array_equal(found.logits[net.key], alone)
    assert not np.array_equal(found.logits["a", 0], found.logits["a", 1])


Clock = Callable[[], float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A second passes for each image and view that a net works at."""
    true, seen = LoadedNet.logits, [0]

    def timed(net: LoadedNet, images_BCHW: Tensor, view: str) -> Tensor:
        seen[0] += len(images_BCHW)
        return true(net, images_BCHW, view)

    monkeypatch.setattr(LoadedNet, "logits", timed)
    return lambda: float(seen[0])


@pytest.fixture(scope="module")
def pair(make_net: Callable[..., Net]) -> list[Net]:
    """Two equal members, two folds and two views each: eight passes, 88 seconds for eleven images."""
    return [make_net(name, fold, batch_size=1, tta=("hflip", "identity")) for name in "ab" for fold in (0, 1)]


class TestDeadline:
    def test_what_is_kept_is_kept_for_every_row_with_the_same_bits(
        self, pair: list[Net], rows: pd.DataFrame, tmp_path: Path, clock: Clock
    ) -> None:
        whole = team(pair, rows, tmp_path)
        begun = clock()
        found = team(pair, rows, tmp_path, stop=Stop(begun + 50, clock=clock))
        dropped = ["view hflip of b", "view hflip of a", "fold 1 of b"]
        assert list(found.dropped) == [f"{what}: no time left before the deadline" for what in dropped]
        assert clock() - begun <= 50
        assert not found.imputed_R.any()
        assert set(found.logits) == {("a", 0), ("a", 1), ("b", 0)}
        for key, logits_RV in found.logits.items():
            assert found.views[key] == ("identity",)
            np.testing.assert_array_equal(logits_RV, whole.logits[key][:, 1:])

    def test_rows_that_no_net_reached_are_told_apart(
        self, pair: list[Net], rows: pd.DataFrame, tmp_path: Path, clock: Clock
    ) -> None:
        (tmp_path / rows.id[1]).unlink()
        found = team(pair, rows, tmp_path, stop=Stop(28.0, clock=clock))
        assert list(found.logits) == [("a", 0)]
        assert np.flatnonzero(found.unreached_R).tolist() == [7, 8, 9, 10]
        assert np.flatnonzero(found.imputed_R).tolist() == [1, 7, 8, 9, 10]
        late = team(pair, rows, tmp_path, stop=Stop(0.0))
        assert late.unreached_R.all()
        assert late.imputed_R.all()

    def test_a_group_that_is_cut_short_counts_for_nothing(
        self, nets: list[Net], rows: pd.DataFrame, tmp_path: Path, clock: Clock
    ) -> None:
        """Sixty-six seconds for the nets of 64 px; then the others begin, and a signal comes."""
        found = team(nets, rows, tmp_path, stop=Stop(1e9, clock=lambda: 2e9 if clock() > 70 else 0.0))
        assert set(found.logits) == {("a", 0), ("a", 1), ("b", 0)}
        assert not found.imputed_R.any()


def test_moved_golden_outputs_are_refused(nets: list[Net], rows: pd.DataFrame, tmp_path: Path) -> None:
    assert isinstance(nets[0].weights, Path)
    arrays, facts = checksum.read_tensors(nets[0].weights)
    arrays["golden/outputs_BK"] += 0.1
    checksum.write_tensors(tmp_path / "moved", arrays, facts)
    with pytest.raises(FfdiError, match="golden outputs moved"):
        team([nets[1], Net(nets[0].member, 0, tmp_path / "moved")], rows, tmp_path)
