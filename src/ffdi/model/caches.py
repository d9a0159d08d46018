"""Pretrained weights that other programs left on this machine, by timm's own names; nothing is downloaded.

Searched in this order: the cache of the Hugging Face hub, that of torch.hub, and the inputs of a Kaggle notebook. There
a file counts that bears the tagged name (`resnet18.a1_in1k.pth`) or timm's file name, or that lies in a folder of the
tagged name under the hub's file name; `.`, `-` and `_` are taken for the same.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from timm.models import get_pretrained_cfg, is_model

from ffdi.core.inputs import files, folders_with

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
SUFFIXES = {".safetensors", ".pth", ".bin", ".pt"}


def find(model: str) -> Path | None:
    """Return the file of a timm model's weights; None where there is none, and for a name that timm does not know."""
    if not is_model(model.split(".")[0]):
        return None
    try:
        config: Any = get_pretrained_cfg(model)
    except RuntimeError:  # another tag than timm has
        return None
    if config is None:
        return None
    in_torch = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(config.url or "").name)
    return _in_hub(config) or (in_torch if in_torch.is_file() else _in_inputs(config))


def file_name(model: str) -> str:
    """Return the name under which timm's weights are found where people share them."""
    config: Any = get_pretrained_cfg(model)
    return PurePosixPath(config.url).name if config.url else f"{model}.safetensors"


def _in_hub(config: Any) -> Path | None:
    for name in HUB_FILES if config.hf_hub_id else ():
        found = try_to_load_from_cache(config.hf_hub_id, name)
        if isinstance(found, str | os.PathLike):
            return Path(found)
    return None


def _in_inputs(config: Any) -> Path | None:
    tagged = _plain(f"{config.architecture}.{config.tag}" if config.tag else config.architecture)
    names = {tagged, _plain(PurePosixPath(config.url or tagged).stem)}

    def matching(folder: Path) -> list[Path]:
        lies_in = any(_plain(part).endswith(tagged) for part in folder.parts)
        some = [path for path in files(folder) if path.suffix in SUFFIXES]
        return [path for path in some if _plain(path.stem) in names or (lies_in and path.name in HUB_FILES)]

    folder = next(folders_with(lambda folder: bool(matching(folder))), None)
    return matching(folder)[0] if folder else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
