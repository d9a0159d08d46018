"""The moving parts of one fold between its start and its end: model, EMA, optimizer, stream of batches, log."""

import time
from collections.abc import Callable, Iterator

import torch
from timm.utils import ModelEmaV3

from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.data import order
from ffdi.data.cache import Pixels
from ffdi.data.dataset import Batch, loader
from ffdi.data.images import TrainImages
from ffdi.model import precision
from ffdi.model.build import prepare
from ffdi.model.weights import save_weights
from ffdi.training import optim, outcome, state
from ffdi.training.job import FoldJob
from ffdi.training.journal import Journal, lines
from ffdi.training.step import Trainee
from ffdi.training.world import World

LOG_STEPS = 20


class Run:
    def __init__(self, job: FoldJob, world: World) -> None:
        member = job.member
        self.job, self.world = job, world
        built = prepare(member)
        self.start = {"from": built.source.kind, "sha256": built.source.sha256(), "adapted": list(built.adapted)}
        outcome.agree_on_start(job, self.start, world)
        bare = built.model
        self.channels_last = precision.wants_channels_last(bare, member.channels_last)
        bare = precision.place(bare, world.device, self.channels_last)
        self.ema = ModelEmaV3(bare, decay=member.ema_decay, use_warmup=True) if member.ema_decay else None
        targets = job.train.target.to_numpy()
        self.batch_size = self._batch_size(order.epoch_length(targets, member.balance))
        self.order = order.Order(targets, self.batch_size, member.seed, member.balance)
        self.steps = member.epochs * self.order.steps_per_epoch
        optimizer = optim.optimizer(bare, member)
        self.schedule = optim.schedule(optimizer, member, self.steps)
        fp16 = precision.amp_dtype(member.amp, world.device) is torch.float16
        scaler = torch.amp.GradScaler(world.device.type, enabled=fp16)
        self.trainee = Trainee(bare, self._wrapped(bare), optimizer, scaler, member.micro_batches)
        self.journal = Journal(job.folder / "log.jsonl", world.writes)
        self._names = job.train.id.to_numpy()
        self._losses: list[float] = []
        self._since = time.monotonic()

    @property
    def predictor(self) -> torch.nn.Module:
        """The weights that predict: the EMA where there is one, at the last epoch."""
        return self.trainee.bare if self.ema is None else self.ema.module

    def resume(self) -> int:
        """Steps done before; the state of the newest save is put back."""
        found = state.newest(self.job.folder / "state", self.job.identity)
        if found is not None:
            state.unpack(found, self.trainee, None if self.ema is None else self.ema.module)
        begin = 0 if found is None else found.step
        self.journal.rewind(begin)
        return begin

    def batches(self, begin: int) -> Iterator[tuple[int, Batch]]:
        """(step, this process's share of the batch) from step `begin` to the last."""
        member, world = self.job.member, self.world
        job = self.job
        source = Pixels(job.cache, job.train, job.images) if job.cache else None
        images = TrainImages(
            job.train, job.images, member.augment, member.image_size, member.seed, source, member.forge
        )
        shares = (
            [(row, epoch) for row in self.order.share(rows, world.rank, world.size).tolist()]
            for epoch, rows in self.order.batches(begin, self.steps)
        )
        yield from enumerate(loader(images, shares, job.data.workers or 0, pin=world.device.type == "cuda"), begin)

    def ids(self, batch: Batch) -> list[str]:
        return list(self._names[batch.rows_B.numpy()])

    def save(self, step: int, stop: Stop) -> float:
        """Write the state after `step` updates, and reserve the time it took before the deadline; returns now."""
        begun = time.monotonic()
        if self.world.writes:
            ema = None if self.ema is None else self.ema.module
            packed = state.pack(self.trainee, ema, step, dict(self.job.identity))
            state.save(self.job.folder / "state", packed)
        self.world.barrier()
        now = time.monotonic()
        stop.reserve = max(stop.reserve, 2 * (now - begun))
        return now

    def ends_epoch(self, step: int) -> bool:
        return step % self.order.steps_per_epoch == 0

    def log(self, step: int, loss: float) -> None:
        """A line every few steps and at the end of an epoch."""
        self._losses.append(loss)
        if step % LOG_STEPS and not self.ends_epoch(step):
            return
        now = time.monotonic()
        self.journal.add(
            step=step,
            epoch=step / self.order.steps_per_epoch,
            split="train",
            loss=sum(self._losses) / len(self._losses),
            lr=max(group["lr"] for group in self.trainee.optimizer.param_groups),
            images_per_second=len(self._losses) * self.batch_size / max(now - self._since, 1e-9),
        )
        self._losses.clear()
        self._since = now

    def lacks_score(self, step: int) -> bool:
        """Whether a kill fell between the save at the end of an epoch, after `step` updates, and its held-out line."""
        if step == 0 or step == self.steps or not self.ends_epoch(step):
            return False
        known = lines(self.journal.path) if self.journal.path.exists() else []
        return not any(line["step"] == step and line["split"] == "oof" for line in known)

    def evaluate(self, step: int, stop: Stop, watch: Callable[[], None] | None = None) -> None:
        """A line with the held-out AUC, for the curve; the last epoch is measured by the OOF table itself."""
        if not len(self.job.oof):
            return
        scores = outcome.held_out(self.job, self.predictor, self.world, stop)
        self.journal.add(step=step, epoch=step / self.order.steps_per_epoch, split="oof", **scores)
        self.trainee.model.train()
        if watch is not None:
            watch()
        self._since = time.monotonic()

    def close(self) -> None:
        """Seal the weights that predict."""
        if self.world.writes:
            facts = {**self.job.identity, "start": self.start}
            save_weights(self.job.folder / outcome.WEIGHTS, self.predictor, self.job.member, facts)
        self.world.barrier()

    def _batch_size(self, rows: int) -> int:
        size = min(self.job.member.batch_size, rows)
        if size % self.world.size:
            raise UserError(
                f"{self.job.label}: a batch of {size} cannot be shared evenly by {self.world.size} processes; "
                f"choose batch_size as a multiple of {self.world.size}."
            )
        return size

    def _wrapped(self, bare: torch.nn.Module) -> torch.nn.Module:
        """What the step calls; EMA and saves stay on `bare`, whose names must not gain a `module.` or `_orig_mod.`."""
        model: torch.nn.Module = bare
        if self.world.size > 1:
            cuda = self.world.device.type == "cuda"
            model = torch.nn.parallel.DistributedDataParallel(bare, [self.world.device] if cuda else None)
        if self.job.member.compile:
            model.compile()  # in place: calling it runs the compiled forward, its state dict keeps its names
        return model
