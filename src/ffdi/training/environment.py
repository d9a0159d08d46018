"""Record what trained a run, on what, with which code. Nothing here enters an identity."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.digest import code_digest
from ffdi.core.layout import RunFolder

PACKAGES = (
    "torch",
    "timm",
    "opencv-python-headless",
    "simplejpeg",
    "numpy",
    "pandas",
    "scikit-learn",
)


def facts() -> dict[str, Any]:
    """Return versions, hardware and code, as JSON values."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": platform.machine(),
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "code": code_digest(),
    }


def write(run: RunFolder, member: Member) -> None:
    """Write the member and `facts` as JSON into the run's folder; the first fold does."""
    if not run.spec.exists():
        checksum.write_json(run.spec, member.model_dump(mode="json"))
    if not run.environment.exists():
        checksum.write_json(run.environment, facts())


def _version(name: str) -> str:
    """Return the installed version; "" for a package that Kaggle's image lacks or has under another name."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
