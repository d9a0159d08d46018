"""The parts of a batch that go through the model one after another, and whether batch norm can train on them."""

import math

import torch

from ffdi.config.recipe import Member
from ffdi.core.errors import UserError
from ffdi.model.build import skeleton

_TOO_FEW = "Expected more than 1 value per channel"  # torch, of a batch norm that sees one value


def micro_batches(images: int, parts: int) -> list[slice]:
    """Return which rows of a batch go through the model together, in up to `parts` parts."""
    size = math.ceil(images / parts)
    return [slice(start, min(start + size, images)) for start in range(0, images, size)]


def check(label: str, member: Member, images: int, parts: int) -> None:
    """Try a part of one image on the model without memory, if the batch has such a part.

    Args:
        label: What is trained, for the message.
        member: Model and image size.
        images: Of a batch, on one device.
        parts: That the batch is split into.

    Raises:
        UserError: A batch norm of the model would see a single value.
    """
    if all(part.stop - part.start > 1 for part in micro_batches(images, parts)):
        return
    model = skeleton(member).train()
    try:
        with torch.no_grad():
            model(torch.empty(1, 3, member.image_size, member.image_size, device="meta"))
    except ValueError as error:
        if _TOO_FEW not in str(error):
            raise
        remedy = "raise batch_size or lower micro_batches, so that every part has two"
        if parts > member.micro_batches:
            remedy = "memory does not suffice for fewer parts: lower image_size or take a smaller model"
        raise UserError(
            f"{label}: batch norm cannot train on one image, and a batch of {images} in {parts} micro-batches has "
            f"such a part; {remedy}."
        ) from error
