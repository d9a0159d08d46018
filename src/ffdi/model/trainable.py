"""Choose the parameters that learn: all, the norms and the head, or the head alone.

A large pretrained network that is fine-tuned whole on few images forgets what it knew. With its norms and head alone it
learns hundreds of times fewer numbers.
"""

from typing import Any

from torch import nn

from ffdi.core.errors import UserError
from ffdi.model import stem


def freeze(model: nn.Module, trainable: str) -> None:
    """Let only some parameters learn, in place; a stem always learns, as it starts without knowledge.

    Batch norms still follow the statistics of the images.

    Args:
        model: A timm model.
        trainable: "all", "norms" (and the head) or "head".

    Raises:
        UserError: The model has no head that timm knows.
    """
    if trainable == "all":
        return
    learning = [module for module in model.modules() if trainable == "norms" and "Norm" in type(module).__name__]
    kept = {id(parameter) for module in learning for parameter in module.parameters(recurse=False)}
    for module in (*_heads(model), getattr(model, stem.NAME, None)):
        kept |= {id(parameter) for parameter in module.parameters()} if module is not None else set()
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in kept)


def _heads(model: Any) -> tuple[nn.Module, ...]:
    found = model.get_classifier()
    heads = tuple(found) if isinstance(found, tuple | list) else (found,)
    if not any(isinstance(head, nn.Module) and any(True for _ in head.parameters()) for head in heads):
        raise UserError(f'{type(model).__name__} has no head that timm knows; set trainable = "all".')
    return heads
