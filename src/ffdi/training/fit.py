"""Train one fold: set-up, the loop, and the step written out.

B images of a batch, P of a part of it, C logits.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ffdi.config.recipe import Member
from ffdi.core import atomic, console, keys, lock
from ffdi.core.errors import Paused, UserError
from ffdi.core.stop import Stop
from ffdi.data.batches import Batch, batches, normalise
from ffdi.data.images import TrainImages
from ffdi.data.order import Order, epoch_length
from ffdi.model import compiling, precision
from ffdi.model.build import data_config, prepare
from ffdi.model.weights import save_weights
from ffdi.training import checks, finish, graph, loss, memory, optim
from ffdi.training import state as states
from ffdi.training.checks import LAG, Checks
from ffdi.training.job import FoldJob
from ffdi.training.log import Log
from ffdi.training.mix import mix
from ffdi.training.state import TrainState
from ffdi.training.world import World

SAVE_SECONDS = 300.0  # between two saves within an epoch
SAVE_SHARE = 0.05  # of the time that saves at the end of an epoch may take
Watch = Callable[[], None] | None


class Saves:
    """Save the state of a fold by time or steps, and at the end of an epoch where that costs little."""

    def __init__(self, job: FoldJob, world: World, stop: Stop, steps: int | None) -> None:
        self._job, self._world, self._stop, self._steps = job, world, stop, steps
        self._last, self._cost = time.monotonic(), 0.0

    def is_due(self, done: int) -> bool:
        if self._steps:
            return done % self._steps == 0
        return time.monotonic() - self._last >= SAVE_SECONDS

    def is_cheap(self) -> bool:
        return self._cost <= SAVE_SHARE * (time.monotonic() - self._last)

    def write(self, state: TrainState, done: int) -> None:
        """Write the state after `done` updates; twice the time it takes is kept free before the deadline."""
        begun = time.monotonic()
        if self._world.writes:
            states.save(self._job.folder.state, state, done, self._job.identity)
        self._world.barrier()
        self._last = time.monotonic()
        self._cost = self._last - begun
        self._stop.reserve = max(self._stop.reserve, 2 * self._cost)


def fit(
    job: FoldJob,
    world: World,
    stop: Stop,
    *,
    save_steps: int | None = None,
    watch: Watch = None,
    started: Callable[[], None] = lambda: None,
    predicts: bool = True,
) -> None:
    """Train and predict one fold, and write `done.json`; do nothing if that is done.

    Args:
        job: The fold, as a value.
        world: The device, and the processes that train this fold together.
        stop: Asked after each step; the state is saved before this function leaves.
        save_steps: Steps between two saves; None: SAVE_SECONDS.
        watch: Called when the held-out AUC of an epoch stands in the log; what it raises ends the fold.
        started: Called after the first step, when the fold has taken its memory.
        predicts: Whether to predict, too; if not, `done.json` is left to a later call.

    Raises:
        Paused: After a stop; the same call goes on, and ends with the same bytes on the same kind of device.
        LockedError: Another process trains this fold.
        UserError: A loss is not finite, weights are missing, an artefact is damaged, memory does not suffice.
    """
    with lock.exclusive(job.folder) if world.writes else nullcontext():
        if finish.is_done(job):
            return
        if world.writes:
            atomic.sweep(job.folder)
        micro_batches = job.member.micro_batches
        while not finish.is_trained(job):
            try:
                _train(job, world, stop, Saves(job, world, stop, save_steps), watch, started, micro_batches)
                continue
            except RuntimeError as error:  # not kept: its frames hold the tensors (pytorch #18853)
                if not memory.is_out_of_memory(error):
                    raise
            torch.cuda.empty_cache()
            micro_batches = memory.more_micro_batches(job.label, micro_batches, job.member.batch_size, world.size == 1)
        if world.writes:
            states.drop(job.folder.state)
        if predicts:
            finish.finish(job, world, stop)


def check(job: FoldJob, world: World, micro_batches: int) -> Order:
    """Return the order of the fold's images. Raise UserError for what would end the first step.

    Args:
        job: The fold.
        world: The processes that train it together.
        micro_batches: Parts of a batch.
    """
    targets, member = job.train.target.to_numpy(), job.member
    length = epoch_length(targets, member.balance)
    size = min(member.batch_size, length)
    if size % world.size:
        raise UserError(
            f"{job.label}: a batch of {size} cannot be shared evenly by {world.size} processes; "
            f"choose batch_size as a multiple of {world.size}, at most {length:,}."
        )
    order = Order(targets, size, member.seed, member.balance)
    memory.check(job.label, member, size // world.size, micro_batches)
    if compiling.is_for_training(member, member.epochs * order.steps_per_epoch, world.device):
        compiling.check(job.label, world.device)
    return order


def _train(
    job: FoldJob,
    world: World,
    stop: Stop,
    saves: Saves,
    watch: Watch,
    started: Callable[[], None],
    micro_batches: int,
) -> None:
    """Train from the newest save to the last step, then write the weights."""
    member, (state, order, begin, start) = job.member, _set_up(job, world, micro_batches)
    steps = member.epochs * order.steps_per_epoch
    schedule = optim.schedule(state.optimizer, member, steps)
    log = Log(job.folder.log, order.steps_per_epoch, order.batch_size, world.writes)
    log.rewind(begin)
    lag = LAG if world.device.type == "cuda" else 0
    late = Checks(job.train.id.to_numpy(), world, lag, gradients=not state.scaler.is_enabled())
    update: graph.Step = partial(step, member=member)
    mean, std = data_config(state.unwrapped)
    channels_last = precision.is_channels_last(state.unwrapped)
    if world.any(world.writes and log.lacks_score(begin, steps)):
        _evaluate(job, state, world, stop, saves, log, begin, watch)
    state.model.train()
    images_BCHW = None
    with console.progress(job.label, steps * order.batch_size) as meter:
        meter.skip(begin * order.batch_size)
        for number, batch in enumerate(_batches(job, world, order, begin, steps), begin):
            # ---- one step -------------------------------------------------------------------------------------------
            schedule.step_update(number)
            images_BCHW = normalise(batch.images_BHWC, mean, std, channels_last, out=images_BCHW)
            targets_B = batch.targets_B * (1 - member.label_smoothing) + 0.5 * member.label_smoothing
            mix_key = keys.key(member.seed, "mix", number, world.rank)
            mixed_BCHW, targets_B = mix(images_BCHW, targets_B, member.mixup, member.cutmix, mix_key)
            if number == begin and graph.is_possible(state, world):
                update = graph.captured(update, state, mixed_BCHW, targets_B, world, job.label)
            torch.manual_seed(_seed(member, number, world, part=0))
            losses_B, norm = update(state, mixed_BCHW, targets_B, number, world)
            if state.ema is not None:
                state.ema.update(state.unwrapped, step=number + 1)
            # ---------------------------------------------------------------------------------------------------------
            done, ends_epoch = number + 1, (number + 1) % order.steps_per_epoch == 0
            stopping, due = stop.requested, saves.is_due(done)
            rate, rows_B = state.optimizer.param_groups[-1]["lr"], batch.rows_B.numpy()
            late.add(number, rate, rows_B, losses_B, norm, stopping, due)
            meter.advance(order.batch_size)
            checked = late.read(all_of_them=ends_epoch or (world.size == 1 and (stopping or due)))
            log.train(checked)
            if world.size > 1:  # all processes leave the loop at the same step
                stopping, due = any(one.stop for one in checked), any(one.save for one in checked)
            if due or stopping or (ends_epoch and world.any(saves.is_cheap())):
                log.train(late.read(all_of_them=True))
                saves.write(state, done)
            if stopping and done < steps:
                raise Paused(f"{job.label} stopped ({stop.reason}) after step {done} of {steps}; all is saved.")
            if ends_epoch and done < steps:
                _evaluate(job, state, world, stop, saves, log, done, watch)
                state.model.train()
            if number == begin:
                started()
    if world.writes:
        save_weights(job.folder.weights, state.predictor, member, {**job.identity, "start": start})
    world.barrier()


def step(
    state: TrainState, images_BCHW: Tensor, targets_B: Tensor, number: int, world: World, *, member: Member
) -> tuple[Tensor, Tensor]:
    """Forward, backward, clip, check, update. Nothing here reads a tensor on the host.

    Args:
        state: Model and optimizer, changed in place; a step that is not finite moves no weight.
        images_BCHW: float32, normalised and mixed.
        targets_B: float32, P(fake).
        number: Of the step, from 0; the key of dropout in micro-batches after the first.
        world: Processes that train together.
        member: The recipe.

    Returns:
        The loss of each image [B] and the norm of the gradient [], on the device.
    """
    losses_B = torch.empty_like(targets_B)
    slices = memory.slices(len(targets_B), state.micro_batches)
    for part, rows in enumerate(slices):
        if part:  # dropout and drop-path draw from torch's global generator: it is set, never continued
            torch.manual_seed(_seed(member, number, world, part))
        last = part == len(slices) - 1  # with it DDP exchanges gradients, once a batch
        with nullcontext() if last or not isinstance(state.model, DistributedDataParallel) else state.model.no_sync():
            losses_P = loss.of_recipe(state, images_BCHW[rows], targets_B[rows], member, world.device)
            state.scaler.scale(losses_P.sum() / len(targets_B)).backward()
        losses_B[rows] = losses_P.detach().to(losses_B.dtype)
    if state.scaler.is_enabled():
        state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.unwrapped.parameters(), member.clip_grad or math.inf)
    checks.hold_non_finite(state, losses_B, norm)
    state.optimizer.step()
    if state.scaler.is_enabled():
        state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    return losses_B, norm


def _set_up(job: FoldJob, world: World, micro_batches: int) -> tuple[TrainState, Order, int, dict[str, Any]]:
    """Return model and optimizer as the newest save left them, the order, the updates done, and where it started."""
    member, order = job.member, check(job, world, micro_batches)
    model, source = prepare(member)
    start = {"from": source.kind, "sha256": source.sha256()}
    finish.agree_on_start(job, start, world)
    state = states.begin(model, member, world)
    state.micro_batches = micro_batches
    done = states.resume(job.folder.state, job.identity, state)
    if compiling.is_for_training(member, member.epochs * order.steps_per_epoch, world.device):
        compiling.choose_by_rule()
        state.model.compile()  # in place: the state dict keeps its names
    return state, order, done, start


def _batches(job: FoldJob, world: World, order: Order, begin: int, end: int) -> Iterator[Batch]:
    """Yield this process's share of the batches from step `begin` to the last."""
    images = TrainImages(job.train, job.images, job.member)
    shares = (
        [(row, epoch) for row in rows[world.rank :: world.size].tolist()] for epoch, rows in order.batches(begin, end)
    )
    return batches(images, shares, job.data.workers or 0, [world.device])


def _evaluate(
    job: FoldJob, state: TrainState, world: World, stop: Stop, saves: Saves, log: Log, done: int, watch: Watch
) -> None:
    """Log the held-out AUC, for the curve; the last epoch is measured by the OOF table itself. A stop saves first."""
    if not len(job.oof):
        return
    try:
        log.held_out(done, finish.held_out(job, state.predictor, world, stop))
    except Paused:
        saves.write(state, done)
        raise
    if watch is not None:
        watch()


def _seed(member: Member, number: int, world: World, part: int) -> int:
    return keys.key(member.seed, "step", number, world.rank, part)
