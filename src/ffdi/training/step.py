"""One update of the weights, as one visible block.

B images of a batch, P of a part of it, C logits.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch.nn.parallel import DistributedDataParallel

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.data.dataset import Batch, normalise
from ffdi.model import precision
from ffdi.model.build import data_config
from ffdi.training import loss, memory, mix
from ffdi.training.world import World


@dataclass
class Trainee:
    """What a step changes: the model (`bare`: without DDP or compile wrappers), its optimizer and scaler."""

    bare: torch.nn.Module
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    micro_batches: int
    pixels: torch.Tensor | None = None  # the last input, whose memory is used again: fresh pages cost 0.4 ms an image
    _before: list[torch.Tensor] = field(default_factory=list)

    def remember_buffers(self) -> None:
        """BatchNorm moves its statistics in the forward pass; a step that is redone must find the old ones."""
        buffers = list(self.bare.buffers())
        if len(self._before) != len(buffers):
            self._before = [buffer.clone() for buffer in buffers]
        elif buffers:
            torch._foreach_copy_(self._before, buffers)

    def undo(self) -> None:
        """Back to before the failed attempt."""
        self.optimizer.zero_grad(set_to_none=True)
        for buffer, before in zip(self.bare.buffers(), self._before, strict=True):
            buffer.copy_(before)


def update(trainee: Trainee, batch: Batch, ids: list[str], member: Member, step: int, world: World) -> float:
    """Forward, backward, clip, step. Returns the mean loss of this process's images.

    A non-finite loss or gradient raises UserError naming step and ids before the optimizer has moved anything.
    """
    images_BCHW, targets_B = _inputs(trainee, batch, member, step, world)
    trainee.remember_buffers()

    def attempt(parts: int) -> torch.Tensor:
        return _backward(trainee, images_BCHW, targets_B, member, step, world, parts)

    losses_B, trainee.micro_batches = memory.with_micro_batches(
        attempt, trainee.micro_batches, len(targets_B), trainee.undo, may_split=world.size == 1
    )
    _refuse_non_finite(losses_B, ids, step, world, "loss")

    trainee.scaler.unscale_(trainee.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(trainee.bare.parameters(), member.clip_grad or math.inf)
    if not trainee.scaler.is_enabled():  # fp16 gradients may overflow: the scaler then skips the step
        _refuse_non_finite(norm.expand(len(ids)), ids, step, world, "gradient")
    trainee.scaler.step(trainee.optimizer)
    trainee.scaler.update()
    trainee.optimizer.zero_grad(set_to_none=True)
    return float(losses_B.mean())


def _inputs(
    trainee: Trainee, batch: Batch, member: Member, step: int, world: World
) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std, _ = data_config(trainee.bare)
    channels_last = precision.wants_channels_last(trainee.bare, member.channels_last)
    trainee.pixels = normalise(batch.images_BHWC, mean, std, world.device, channels_last, out=trainee.pixels)
    targets_B = loss.smooth(batch.targets_B.to(world.device, non_blocking=True), member.label_smoothing)
    key = keys.key(member.seed, "mix", step, world.rank)
    return mix.mix(trainee.pixels, targets_B, member.mixup, member.cutmix, key)


def _backward(
    trainee: Trainee,
    images_BCHW: torch.Tensor,
    targets_B: torch.Tensor,
    member: Member,
    step: int,
    world: World,
    parts: int,
) -> torch.Tensor:
    seen_B = torch.empty_like(targets_B)
    slices = micro_batches(len(targets_B), parts)
    for part, rows in enumerate(slices):
        # Dropout and drop-path draw from torch's global generator: it is set, never continued.
        torch.manual_seed(keys.key(member.seed, "step", step, world.rank, part))
        with _synced_last(trainee.model, part == len(slices) - 1):
            losses_P = _losses(trainee, images_BCHW[rows], targets_B[rows], member, world)
            trainee.scaler.scale(losses_P.sum() / len(targets_B)).backward()
        seen_B[rows] = losses_P.detach().to(seen_B.dtype)
    return seen_B


def micro_batches(images: int, parts: int) -> list[slice]:
    """Which rows of a batch of `images` go through the net together, in up to `parts` parts."""
    size = math.ceil(images / parts)
    return [slice(start, start + size) for start in range(0, images, size)]


def _losses(
    trainee: Trainee, images_BCHW: torch.Tensor, targets_B: torch.Tensor, member: Member, world: World
) -> torch.Tensor:
    """What the recipe wants lowered, per image. A part of a batch stands for itself: it knows no other's classes."""
    wish, dtype = member.loss, precision.amp_dtype(member.amp, world.device)
    with loss.features(trainee.bare, wish.supcon > 0) as seen, precision.autocast(dtype, world.device):
        if wish.consistency > 0:  # one pass for both copies: DDP allows no second before the gradients are exchanged
            both = torch.cat([images_BCHW, _noisy(images_BCHW, trainee, wish.noise)])
            logits_BC, noisy_BC = trainee.model(both).chunk(2)
        else:
            logits_BC = trainee.model(images_BCHW)
    losses_B = loss.cross_entropy(logits_BC, targets_B)
    if wish.class_balanced:
        losses_B = losses_B * loss.class_balanced(targets_B)
    if wish.supcon > 0:
        losses_B = losses_B + wish.supcon * loss.supcon(seen[0][: len(targets_B)], targets_B, wish.temperature)
    if wish.consistency > 0:
        losses_B = losses_B + wish.consistency * loss.consistency(logits_BC, noisy_BC)
    return losses_B


def _noisy(images_BCHW: torch.Tensor, trainee: Trainee, sigma: float) -> torch.Tensor:
    """A copy with Gaussian noise, drawn from the generator that the step has just set."""
    std_C11 = images_BCHW.new_tensor(data_config(trainee.bare).std).view(-1, 1, 1)
    return images_BCHW + torch.randn_like(images_BCHW) * (sigma / 255) / std_C11


def _synced_last(model: torch.nn.Module, last: bool) -> AbstractContextManager[object]:
    """DDP exchanges gradients once a batch, with its last part."""
    if last or not isinstance(model, DistributedDataParallel):
        return nullcontext()
    return model.no_sync()


def _refuse_non_finite(values_B: torch.Tensor, ids: list[str], step: int, world: World, what: str) -> None:
    bad = ~torch.isfinite(values_B)
    if world.any(bool(bad.any())):
        named = [name for name, is_bad in zip(ids, bad.tolist(), strict=True) if is_bad]
        raise UserError(
            f"Non-finite {what} at step {step} (images {', '.join(named[:8]) or 'of another process'}); nothing was "
            'updated. Lower lr or set amp = "off", or look at these images.'
        )
