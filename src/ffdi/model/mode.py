"""Evaluation mode for a while."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(models: Iterable[nn.Module]) -> Iterator[None]:
    """Evaluation and inference mode; afterwards every module has its own mode again (some may be frozen)."""
    models = list(models)
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training
