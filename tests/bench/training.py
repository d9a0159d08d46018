"""Images/s of the kit's training and prediction against bare loops with everything in memory, in one run.

The bare loop does the same arithmetic (forward, backward, clip, AdamW, EMA) on tensors that are ready: what is left
is what the kit's loader, keys, checks, logs and saves cost. One thread computes, one process loads.
"""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from ffdi.config.recipe import Member
from ffdi.data.batches import batches as loader
from ffdi.data.batches import normalise
from ffdi.data.images import TestImages
from ffdi.data.order import in_sequence
from ffdi.infer.engine import predict
from ffdi.infer.nets import Net
from ffdi.model import precision
from ffdi.model.build import build, data_config
from ffdi.training import fit as fits
from ffdi.training import loss, optim
from ffdi.training import state as states
from ffdi.training.checks import Checks
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.bench.job import fold
from tests.bench.timing import Ratio, against

CPU = torch.device("cpu")
MEMBER = Member(name="lite0", model="tf_efficientnet_lite0", image_size=112, batch_size=32, epochs=99, ema_decay=0.98)
STEPS = 8  # a round
TIMES = 6  # that prediction goes through the images a round: starting the loader must not count as its pace
ROUNDS = 5


def main(rounds: int = ROUNDS) -> None:
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        job = _job(Path(folder))
        print(_training(job, rounds))
        print(_prediction(job, rounds))


def _training(job: FoldJob, rounds: int) -> Ratio:
    world, member = World(CPU), job.member
    state = states.begin(build(member), member, world)
    schedule = optim.schedule(state.optimizer, member, 10_000)
    late = Checks(job.train.id.to_numpy(), world, 0, gradients=True)
    mean, std = data_config(state.unwrapped)
    state.model.train()
    stream, out = enumerate(fits._batches(job, world, fits.check(job, world, 1), 0, 10_000)), [None]

    def kit() -> None:
        for _ in range(STEPS):
            number, batch = next(stream)
            schedule.step_update(number)
            out[0] = normalise(batch.images_BHWC, mean, std, out=out[0])
            losses_B, norm = fits.step(state, out[0], batch.targets_B, number, world, member=member)
            state.ema.update(state.unwrapped, step=number + 1)
            late.add(number, 0.0, batch.rows_B.numpy(), losses_B, norm, False, False)
            late.read()

    bare = _bare_training(job)
    return against("training, kit / bare loop in memory", kit, bare, rounds)


def _bare_training(job: FoldJob) -> Callable[[], None]:
    from timm.utils import ModelEmaV3

    model = precision.place(build(job.member), CPU, True).train()
    ema = ModelEmaV3(model, decay=job.member.ema_decay)
    optimizer = optim.optimizer(model, job.member)
    batches = list(_in_memory(job, model))

    def loop() -> None:
        for number in range(STEPS):
            images_BCHW, targets_B = batches[number % len(batches)]
            loss.cross_entropy(model(images_BCHW), targets_B).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), job.member.clip_grad)
            optimizer.step()
            optimizer.zero_grad()
            ema.update(model)

    return loop


def _prediction(job: FoldJob, rounds: int) -> Ratio:
    model = precision.place(build(job.member), CPU, True).eval()
    batches = list(_in_memory(job, model))
    rows = pd.concat([job.train.iloc[: len(batches) * job.member.batch_size]] * TIMES, ignore_index=True)

    def kit() -> None:
        predict(Net(job.member, 0, model), rows, job.images, device=CPU, workers=1, label="bench")

    def bare() -> None:
        with torch.inference_mode():
            for images_BCHW, _ in batches * TIMES:
                model(images_BCHW)

    return against("prediction, kit / bare loop in memory", kit, bare, rounds)


def _in_memory(job: FoldJob, model: torch.nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    mean, std = data_config(model)
    images = TestImages(job.train, job.images, job.member.image_size)
    size = job.member.batch_size
    for batch in loader(images, list(in_sequence(len(images), size))[: len(images) // size]):
        yield normalise(batch.images_BHWC, mean, std), batch.targets_B.clone()


def _job(folder: Path) -> FoldJob:
    """The sample's training images; nothing is read of manifest or folds."""
    sample = Path(str(files("ffdi"))) / "sample"
    table = pd.read_csv(sample / "phase1/trainset_label.txt")
    rows = pd.DataFrame({"id": table.img_name, "relpath": "phase1/trainset/" + table.img_name, "target": table.target})
    return fold(rows.assign(status="ok"), sample, folder, MEMBER, 1)
