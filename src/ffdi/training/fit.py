"""One fold from start to done. It may be killed at any instant; run again, it ends with the same bytes."""

import time
from collections.abc import Callable
from contextlib import nullcontext

from ffdi.core import atomic, console, lock
from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.training import outcome, state
from ffdi.training.job import FoldJob
from ffdi.training.run import Run
from ffdi.training.step import update
from ffdi.training.world import World

SAVE_SECONDS = 120.0  # between two saves; a stop saves at once


def fit(
    job: FoldJob,
    world: World,
    stop: Stop,
    save_seconds: float = SAVE_SECONDS,
    save_steps: int | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """Train, predict and seal `job.folder`; does nothing if that is done.

    Saves every `save_seconds`, or every `save_steps` if given. `watch` is called when the held-out AUC of an epoch
    stands in the log; what it raises ends the fold, with all saved. Raises Paused after a stop, LockedError if another
    process has the fold, UserError for non-finite losses, missing weights and damaged artefacts.
    """
    with lock.exclusive(job.folder) if world.writes else nullcontext():
        if outcome.is_done(job):
            return
        if world.writes:
            atomic.sweep(job.folder)
        if not outcome.is_trained(job):
            _train(job, world, stop, save_seconds, save_steps, watch)
        if world.writes:
            state.drop(job.folder / "state")
        outcome.finish(job, world, stop)


def _train(
    job: FoldJob,
    world: World,
    stop: Stop,
    save_seconds: float,
    save_steps: int | None,
    watch: Callable[[], None] | None,
) -> None:
    run = Run(job, world)
    begin = run.resume()
    if world.any(world.writes and run.lacks_score(begin)):
        run.evaluate(begin, stop, watch)
    saved = time.monotonic()
    with console.progress(job.label, run.steps * run.batch_size) as meter:
        meter.skip(begin * run.batch_size)
        for step, batch in run.batches(begin):
            # ---- one step ---------------------------------------------------------------------------------
            run.schedule.step_update(step)
            loss = update(run.trainee, batch, run.ids(batch), job.member, step, world)
            if run.ema is not None:
                run.ema.update(run.trainee.bare, step=step + 1)
            # -----------------------------------------------------------------------------------------------
            done = step + 1
            meter.advance(run.batch_size)
            run.log(done, loss)
            stopping = world.any(stop.requested)
            due = done % save_steps == 0 if save_steps else time.monotonic() - saved >= save_seconds
            if world.any(due) or stopping or run.ends_epoch(done):
                saved = run.save(done, stop)
            if stopping and done < run.steps:
                raise Paused(f"{job.label} stopped ({stop.reason}) after step {done} of {run.steps}; all is saved.")
            if run.ends_epoch(done) and done < run.steps:
                run.evaluate(done, stop, watch)
    run.close()
