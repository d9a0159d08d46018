"""The run describes itself: what trained it, on what, with which code. Nothing here enters an identity."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.code import code_digest
from ffdi.data.augment import describe

PACKAGES = (
    "torch",
    "timm",
    "albumentations",
    "opencv-python-headless",
    "simplejpeg",
    "numpy",
    "pandas",
    "scikit-learn",
)


def facts() -> dict[str, Any]:
    """Versions, hardware and code, as JSON values."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": platform.machine(),
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "code": code_digest(),
    }


def write(run: Path, member: Member) -> None:
    """The member as JSON (`spec.json`), `env.json`, and `augment.json`: every operation with the parameters it resolves
    to, those of the library included. In the run's folder; the first fold writes them."""
    if not (run / "spec.json").exists():
        checksum.write_json(run / "spec.json", member.model_dump(mode="json"))
    if not (run / "env.json").exists():
        checksum.write_json(run / "env.json", facts())
    if not (run / "augment.json").exists():
        checksum.write_json(run / "augment.json", describe(member.augment, member.image_size))


def _version(name: str) -> str:
    """Kaggle's image lacks some, or has them under another name."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
