import pytest
import torch

from ffdi.model import precision
from ffdi.model.build import build
from tests.fixtures.members import member

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("amp", ["auto", "off", "bf16", "fp16"])
def test_a_cpu_computes_in_float32_whatever_the_recipe_says(amp: str) -> None:
    assert precision.amp_dtype(amp, CPU) is None


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_takes_bf16_where_it_is_native(monkeypatch: pytest.MonkeyPatch, native: bool, dtype: torch.dtype) -> None:
    """A T4 emulates bf16, slowly; it must get fp16."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert precision.amp_dtype("auto", CUDA) is dtype
    assert precision.amp_dtype("off", CUDA) is None
    assert precision.amp_dtype("fp16", CUDA) is torch.float16
    assert precision.amp_dtype("bf16", CUDA) is torch.bfloat16


@pytest.mark.parametrize(
    ("model", "wanted", "small_on_gpu"),
    [("test_resnet", True, True), ("test_efficientnet", True, False), ("test_vit", False, False)],
)
def test_channels_last_is_for_convolutions_but_depthwise_ones_in_small_steps_on_a_gpu(
    model: str, wanted: bool, small_on_gpu: bool
) -> None:
    net = build(member(model))
    assert precision.wants_channels_last(net) is wanted
    assert precision.wants_channels_last(net, small_on_gpu=True) is small_on_gpu


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("model", ["test_efficientnet", "test_convnext", "test_resnet"])
def test_the_layout_of_a_model_is_read_from_its_weights(model: str, channels_last: bool) -> None:
    assert precision.is_channels_last(precision.place(build(member(model)), CPU, channels_last)) is channels_last
