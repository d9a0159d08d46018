from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ffdi.config.recipe import Member
from ffdi.core.errors import FfdiError, Paused, UserError
from ffdi.core.stop import Stop
from ffdi.data import decode
from ffdi.data.images import TestImages
from ffdi.infer import views as tta
from ffdi.infer.logit import logits
from ffdi.infer.predict import predict
from ffdi.model.build import build, data_config
from tests.infer.conftest import SIDE

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Probe(nn.Module):
    """A linear function of the pixels, so that the logit of every image and view can be worked out by hand."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        weight = torch.linspace(-1, 1, classes * 3 * SIDE * SIDE).reshape(classes, 3, SIDE, SIDE).roll(7)
        self.weight = nn.Parameter(weight / SIDE)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", images_BCHW, self.weight)


def run(model: nn.Module, rows: pd.DataFrame, folder: Path, **wishes: Any) -> pd.DataFrame:
    wishes = {"views": ("identity",), "batch_size": 4, "workers": 0, "mean_std": HALF, "size": SIDE} | wishes
    return predict(model, rows, folder, device=torch.device("cpu"), **wishes)


def by_hand(model: Probe, folder: Path, relpath: str, view: str) -> float:
    image_HWC = cv2.cvtColor(cv2.imread(str(folder / relpath)), cv2.COLOR_BGR2RGB)
    image_BCHW = torch.from_numpy(image_HWC / 127.5 - 1).permute(2, 0, 1)[None]
    outputs = (tta.apply(image_BCHW, view) * model.weight.double()).sum((1, 2, 3)).tolist()
    return outputs[0] if len(outputs) == 1 else outputs[1] - outputs[0]


@pytest.mark.parametrize("classes", [1, 2])
def test_every_logit_is_that_of_its_id_and_view(rows: pd.DataFrame, tmp_path: Path, classes: int) -> None:
    model, views = Probe(classes), ("hflip", "identity", "rot90")
    frame = run(model, rows, tmp_path, views=views)
    assert list(frame.columns) == ["id", "view", "logit", "imputed"]
    assert frame.logit.dtype == np.float32
    assert frame.imputed.dtype == bool
    assert not frame.imputed.any()
    assert frame.id.tolist() == [name for name in rows.id for _ in views]
    assert frame["view"].tolist() == list(views) * len(rows)
    wanted = [by_hand(model, tmp_path, name, view) for name in rows.id for view in views]
    assert np.std(wanted) > 0.1
    np.testing.assert_allclose(frame.logit, wanted, atol=1e-3)


def test_an_image_is_decoded_once_for_all_views(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(data: bytes) -> decode.Decoded:
        nonlocal count
        count += 1
        return decode.decode(data)

    monkeypatch.setattr("ffdi.data.source.decode", counted)
    frame = run(Probe(), rows, tmp_path, views=("six",))
    assert len(frame) == 6 * len(rows)
    assert count == len(rows)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_workers_changes_no_bit(rows: pd.DataFrame, tmp_path: Path, workers: int) -> None:
    model = build(Member(name="m", model="test_resnet", weights="none", image_size=SIDE))
    alone = run(model, rows, tmp_path, views=("six",))
    pd.testing.assert_frame_equal(run(model, rows, tmp_path, views=("six",), workers=workers), alone, check_exact=True)


@pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_the_batch_size_moves_logits_by_float_noise_alone(rows: pd.DataFrame, tmp_path: Path, model: str) -> None:
    net = warmed(model)
    four = run(net, rows, tmp_path, views=("flips",))
    for batch_size in (1, 3, 64):
        other = run(net, rows, tmp_path, views=("flips",), batch_size=batch_size)
        np.testing.assert_allclose(other.logit, four.logit, atol=1e-4)


def test_parts_of_whole_batches_equal_all_at_once(rows: pd.DataFrame, tmp_path: Path) -> None:
    """So a long prediction can be kept in parts, and go on after a stop."""
    net = warmed("test_resnet")
    parts = [run(net, rows[first : first + 8], tmp_path) for first in (0, 8)]
    whole = run(net, rows, tmp_path)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, check_exact=True)


def test_model_and_generators_are_left_as_they_were(rows: pd.DataFrame, tmp_path: Path) -> None:
    net = warmed("test_vit")
    net.blocks[0].eval()  # frozen by someone
    modes = [module.training for module in net.modules()]
    tensors = {name: (tensor.clone(), tensor.stride()) for name, tensor in net.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    run(net, rows, tmp_path, views=("six", "scale:1.25"), workers=2)
    assert [module.training for module in net.modules()] == modes
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, tensors[name][0])
        assert tensor.stride() == tensors[name][1]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])


@pytest.mark.parametrize("model", ["test_vit", "test_resnet"])
def test_test_size_and_scales_differ_from_the_trained_size(rows: pd.DataFrame, tmp_path: Path, model: str) -> None:
    net = warmed(model)
    frame = run(net, rows, tmp_path, size=96, views=("identity", "scale:0.5", "crop:0.875"))
    assert np.isfinite(frame.logit).all()
    assert frame.groupby("id").logit.nunique().eq(3).all()


class TestUnreadable:
    def test_what_broke_since_the_scan_is_imputed(
        self, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        whole = run(Probe(), rows, tmp_path, views=("flips",))
        gone, cut = rows.id[2], rows.id[7]
        (tmp_path / gone).unlink()
        (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:100])
        frame = run(Probe(), rows, tmp_path, views=("flips",))
        assert set(frame.id[frame.imputed]) == {gone, cut}
        assert frame.logit[frame.imputed].isna().all()
        pd.testing.assert_frame_equal(frame[~frame.imputed], whole[~frame.imputed], check_exact=True)
        assert f"2 images ({gone}, {cut}) cannot be read" in capsys.readouterr().err

    def test_what_is_quarantined_is_not_opened(self, rows: pd.DataFrame, tmp_path: Path) -> None:
        status = ["quarantined" if index in (0, 5) else "ok" for index in range(len(rows))]
        for name in rows.id[[0, 5]]:
            (tmp_path / name).unlink()
        frame = run(Probe(), rows.assign(status=status), tmp_path)
        assert frame.id.tolist() == rows.id.tolist()
        assert np.flatnonzero(frame.imputed).tolist() == [0, 5]
        np.testing.assert_allclose(frame.logit[3], by_hand(Probe(), tmp_path, rows.id[3], "identity"), atol=1e-3)

    def test_nothing_readable_still_gives_every_row(self, rows: pd.DataFrame, tmp_path: Path) -> None:
        frame = run(Probe(), rows.assign(status="quarantined"), tmp_path, views=("flips",))
        assert len(frame) == 2 * len(rows)
        assert frame.imputed.all()

    def test_many_are_counted_and_a_few_named(
        self, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(Probe(), rows.assign(status="quarantined"), tmp_path)
        assert f"11 images ({', '.join(rows.id[:5])} and 6 more)" in capsys.readouterr().err


class TestNotFinite:
    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_the_ids_are_named(self, rows: pd.DataFrame, tmp_path: Path, value: float) -> None:
        """The logit of two images alone is spoiled, by what they show."""
        for name in rows.id[[4, 9]]:
            cv2.imwrite(str(tmp_path / name), np.zeros((SIDE, SIDE, 3), np.uint8))

        class Spoiled(Probe):
            def forward(self, images_BCHW: Tensor) -> Tensor:
                black_B = (images_BCHW == -1).all(dim=(1, 2, 3))
                return super().forward(images_BCHW).masked_fill(black_B[:, None], value)

        frame = run(Spoiled(), rows.drop([4, 9]), tmp_path)
        assert np.isfinite(frame.logit).all()
        with pytest.raises(FfdiError, match=rf"1 image \({rows.id[4]}\) are not finite; nothing was written"):
            run(Spoiled(), rows, tmp_path)
        with pytest.raises(FfdiError, match=rf"2 images \({rows.id[4]}, {rows.id[9]}\)"):
            run(Spoiled(), rows, tmp_path, batch_size=16)

    def test_a_black_stand_in_does_not_count(self, rows: pd.DataFrame, tmp_path: Path) -> None:
        """An unreadable image goes through the model as black pixels; whatever comes out is not its logit."""

        class Spoiled(Probe):
            def forward(self, images_BCHW: Tensor) -> Tensor:
                return super().forward(images_BCHW) / (images_BCHW != -1).any(dim=(1, 2, 3))[:, None]

        (tmp_path / rows.id[3]).write_bytes(b"")
        assert run(Spoiled(), rows, tmp_path).imputed.tolist() == [index == 3 for index in range(len(rows))]


def test_a_stop_ends_between_two_batches(rows: pd.DataFrame, tmp_path: Path) -> None:
    seen = []

    class Counted(Probe):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            seen.append(len(images_BCHW))
            return super().forward(images_BCHW)

    stop = Stop(deadline=10.0, clock=lambda: 10.0 * (len(seen) >= 2))
    with pytest.raises(Paused, match="predict: stopped"):
        run(Counted(), rows, tmp_path, stop=stop)
    assert seen == [4, 4]
    assert len(run(Probe(), rows, tmp_path, stop=Stop(deadline=10.0, clock=lambda: 0.0))) == len(rows)


def test_an_unknown_view_is_refused_before_any_work(rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'hflip'"):
        run(Probe(), rows, tmp_path, views=("hflipp",))


def test_a_head_of_three_is_refused(rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(FfdiError, match=r"gives \(4, 3\), not one or two outputs"):
        run(Probe(3), rows, tmp_path)


def test_a_half_precision_body_has_a_float_head() -> None:
    """Logits near 8 are 0.06 apart in bf16, so they would tie; here the body alone is in bf16."""
    net = warmed("test_vit").eval()
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


def test_two_halves_of_timm_are_its_whole() -> None:
    for model in ("test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_coatnet", "test_nfnet"):
        net = build(Member(name="m", model=model, weights="none", image_size=SIDE)).eval()
        images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
        with torch.inference_mode():
            assert torch.equal(net.forward_head(net.forward_features(images)), net(images))


def warmed(model: str) -> nn.Module:
    """A model with batch norms that have seen data, as `predict` wants it placed; logits spread by about one."""
    net = build(Member(name="m", model=model, weights="none", image_size=SIDE))
    with torch.no_grad():
        outputs = net(torch.randn(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)))
        classifier = net.get_classifier()
        classifier.weight.copy_(torch.randn(classifier.weight.shape, generator=torch.Generator().manual_seed(2)))
    assert outputs.shape == (16, 1)
    return net


def test_the_sample_with_pretrained_weights() -> None:
    """Real JPEG files through the package's ImageNet network: predict gives what a bare loop in memory gives."""
    folder = Path(str(files("ffdi") / "sample" / "phase2" / "testset1_seen"))
    names = sorted(path.name for path in folder.iterdir())[:10]
    rows = pd.DataFrame({"id": names, "relpath": names})
    net = build(Member(name="m", model="tf_efficientnet_lite0", image_size=112)).eval()
    mean, std, _ = data_config(net)
    frame = run(net, rows, folder, size=112, mean_std=(mean, std), views=("flips",), batch_size=5)
    images = TestImages(rows, folder, 112)
    pixels_BHWC = np.stack([images.image(row) for row in range(len(rows))])
    images_BCHW = torch.from_numpy((pixels_BHWC / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        wanted_BV = torch.cat([net(images_BCHW), net(images_BCHW.flip(3))], dim=1)
    np.testing.assert_allclose(frame.logit.to_numpy().reshape(-1, 2), wanted_BV.numpy(), atol=1e-4)
