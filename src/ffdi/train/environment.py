"""The run describes itself: what trained it, on what, with which code. Nothing here enters an identity."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ffdi.base import seal
from ffdi.base.code import code_digest
from ffdi.spec.recipe import Member

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
        "packages": {name: version(name) for name in PACKAGES},
        "machine": platform.machine(),
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "code": code_digest(),
    }


def write(run: Path, member: Member) -> None:
    """`spec.toml`'s content as JSON (`spec.json`) and `env.json` in the run's folder; the first fold writes them."""
    if not (run / "spec.json").exists():
        seal.write_json(run / "spec.json", member.model_dump(mode="json"))
    if not (run / "env.json").exists():
        seal.write_json(run / "env.json", facts())
