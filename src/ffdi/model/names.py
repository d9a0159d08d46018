"""timm's names of models: old ones are mapped to today's, unknown ones are refused with the nearest."""

import difflib
from functools import cache

import timm
from timm.models import get_pretrained_cfg, is_model
from timm.models._registry import get_deprecated_models

from ffdi.core.errors import UserError


def current(model: str) -> str:
    """Return the name that timm uses today, before anything is asked about the model. Raise UserError if unknown.

    Example:
        >>> current("tv_resnet50")
        'resnet50.tv_in1k'
    """
    name = _deprecated().get(model, model)
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


@cache
def _deprecated() -> dict[str, str]:
    return {old: new for old, new in get_deprecated_models().items() if new}
