"""Build a timm model for a member: check every option, use no network, start alike for the same seed."""

from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg
from torch import nn

from ffdi.config.recipe import Member, Recipe
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.model import size, stem
from ffdi.model.pretrained import start
from ffdi.model.sources import FOLDER, Source, current, resolve

FIELDS = {"drop_rate": "drop_rate", "drop_path_rate": "drop_path", "img_size": "image_size"}  # timm's name: ours


def build(member: Member, pretrained: bool = True) -> nn.Module:
    """Return the model of `prepare`; `pretrained = False` for a random start, where weights are loaded next."""
    return prepare(member, pretrained=pretrained)[0]


def prepare(member: Member, *, pretrained: bool = True, folder: Path = FOLDER) -> tuple[nn.Module, Source]:
    """Make the member's model in training mode, on the CPU, with its first weights; return it and their source.

    Args:
        member: The recipe's member.
        pretrained: False for a model that is filled from a file of ours next.
        folder: Where weight files lie.

    Raises:
        UserError: A name, option, size or weights that do not work.
    """
    shell = skeleton(member)
    source = resolve(member, folder) if pretrained else Source("none")
    member = _renamed(member)
    options = _options(member)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keys.key("init", member.seed))
        if source.kind == "none":
            model = timm.create_model(member.model, num_classes=member.num_classes, **options)
        else:
            model = start(member.model, member.num_classes, options, source, shell)
        stem.attach(model, member.stem, *data_config(model))
    size.check(model, member.image_size)
    return model, source


def skeleton(member: Member) -> nn.Module:
    """Make the model on the meta device: names and shapes in milliseconds, and bad options found at once.

    Raise UserError for a name, option or size that does not work.
    """
    member = _renamed(member)
    try:
        with torch.device("meta"):
            return timm.create_model(member.model, num_classes=member.num_classes, **_options(member))
    except TypeError as error:
        refused = [field for option, field in FIELDS.items() if f"'{option}'" in str(error)]
        if not refused:
            raise
        raise UserError(
            f"Member {member.name!r}: {member.model} takes no {refused[0]}; remove that key from the recipe."
        ) from error
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"Member {member.name!r}: {member.model} cannot be built for {member.image_size} px: {error}."
        ) from error


def count_params(member: Member) -> int:
    """Count the parameters of a member with head and stem, without memory. Raise UserError as `skeleton` does."""
    return sum(parameter.numel() for parameter in skeleton(member).parameters()) + stem.count(member.stem)


def refuse_over_limit(recipe: Recipe, limit: int | None) -> None:
    """Raise UserError if all members together have more than `limit` parameters.

    Folds of one member count once, as the winners' submissions were counted: one trained network a member.
    """
    total = sum(map(count_params, recipe.member))
    if limit is not None and total > limit:
        raise UserError(
            f"Recipe {recipe.name} has {total:,} parameters, {total - limit:,} over the limit of {limit:,}; "
            "drop a member, or raise max_params of the competition."
        )


def data_config(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (mean, std) of each channel in 0..1, as timm states them for the pretrained weights."""
    config: Any = resolve_data_config(pretrained_cfg=model.pretrained_cfg)
    return tuple(config["mean"]), tuple(config["std"])


def freeze(model: nn.Module, trainable: str) -> None:
    """Let only some parameters learn, in place; a stem always learns, as it starts without knowledge.

    A large pretrained network that is fine-tuned whole on few images forgets what it knew. With its norms and head
    alone it learns hundreds of times fewer numbers. Batch norms still follow the statistics of the images.

    Args:
        model: A timm model.
        trainable: "all", "norms" (and the head) or "head".
    """
    if trainable == "all":
        return
    learning = [module for module in model.modules() if trainable == "norms" and "Norm" in type(module).__name__]
    kept = {id(parameter) for module in learning for parameter in module.parameters(recurse=False)}
    found: Any = model.get_classifier()  # type: ignore[operator]
    heads = found if isinstance(found, tuple | list) else [found]
    for module in (*heads, getattr(model, stem.NAME, None)):
        kept |= {id(parameter) for parameter in module.parameters()} if module is not None else set()
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in kept)


def _options(member: Member) -> dict[str, Any]:
    """Return only what the recipe asks for: not every network knows every option."""
    rates = {"drop_rate": member.drop_rate, "drop_path_rate": member.drop_path}
    options: dict[str, Any] = {name: rate for name, rate in rates.items() if rate > 0}
    config = get_pretrained_cfg(member.model)
    return options | ({"img_size": member.image_size} if config and config.fixed_input_size else {})


def _renamed(member: Member) -> Member:
    return member.model_copy(update={"model": current(member.model)})
