"""A Kaggle competition kit for deepfake face images. Names are imported when they are first used."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"
_MODULES = {
    "auc": "ffdi.metrics.auc",
    "make_folds": "ffdi.data.deal",
    "read_oof": "ffdi.blending.library",
    "read_test": "ffdi.blending.library",
    "blend": "ffdi.blending.library",
    "load_team": "ffdi.kernels.scorer",
    "transforms": "ffdi.data.augment",
    "train": "ffdi.cli.train",
    "submit": "ffdi.submission.submit",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'ffdi' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
