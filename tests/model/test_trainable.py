import pytest
import timm
import torch

from ffdi.config.recipe import Member
from ffdi.model import stem
from ffdi.model.build import freeze
from ffdi.training import state as states
from ffdi.training.fit import step
from ffdi.training.world import World


def _learning(name: str, trainable: str) -> dict[str, bool]:
    model = timm.create_model(name, num_classes=1)
    stem.attach(model, "srm", (0.5,) * 3, (0.5,) * 3)
    freeze(model, trainable)
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", ["test_vit", "levit_128s", "test_resnet", "test_efficientnet", "test_convnext2"])
def test_norms_and_head_are_a_small_part_and_the_stem_always_learns(name: str) -> None:
    head, norms, everything = (_learning(name, kind) for kind in ("head", "norms", "all"))
    assert all(everything.values())
    assert 0 < sum(head.values()) < sum(norms.values()) < len(norms)
    assert {one for one, learns in head.items() if learns} < {one for one, learns in norms.items() if learns}
    assert head["stem_adapter.mix.weight"]


def test_a_step_moves_only_what_learns() -> None:
    member = Member(name="m", model="test_vit", weights="none", image_size=160, trainable="norms", ema_decay=0.9)
    model = timm.create_model("test_vit", num_classes=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    world = World(torch.device("cpu"))
    state = states.begin(model, member, world)
    step(state, torch.randn(4, 3, 160, 160), torch.tensor([0.0, 1, 0, 1]), 0, world, member=member)
    moved = {name for name, value in state.unwrapped.state_dict().items() if not torch.equal(value, before[name])}
    assert "head.weight" in moved
    assert "norm.weight" in moved
    assert all("norm" in name or name.startswith("head") for name in moved)
