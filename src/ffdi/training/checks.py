"""Check that steps are finite: on the device, and read some steps later, so that the host never waits for it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ffdi.core.errors import UserError
from ffdi.training.state import TrainState
from ffdi.training.world import World

LAG = 4  # steps that the host may be ahead of the card
NAMED = 8  # ids spelled out in a message


def hold_non_finite(state: TrainState, losses_B: torch.Tensor, norm: torch.Tensor) -> None:
    """Have the optimizer move nothing where the step is not finite. It learns that on the device: nobody waits for it.

    Args:
        state: Of the training.
        losses_B: Of the batch.
        norm: Of the gradient.
    """
    bad_loss, bad_norm = ~torch.isfinite(losses_B).all(), ~torch.isfinite(norm)
    # With fp16 a gradient too large for the scale is usual: this step alone moves nothing, and the scale is halved.
    error = bad_loss if state.scaler.is_enabled() else bad_loss | bad_norm
    torch.maximum(state.found_inf, error.float(), out=state.found_inf)
    skipped = torch.maximum(state.found_inf, bad_norm.float())
    state.optimizer.found_inf = skipped  # type: ignore[attr-defined]  # read by the fused AdamW


@dataclass(frozen=True)
class Checked:
    """A finished step: its learning rate and mean loss, and whether a process asked to stop or to save in it."""

    step: int
    rate: float
    loss: float
    stop: bool
    save: bool


class Checks:
    """Collects what steps computed and gives it out in order.

    Args:
        ids: Of all rows, to name the images of a step that is not finite.
        world: Processes that train together agree on what they do, by one reduction on the device.
        lag: Steps that may be read late; 0 on a CPU.
        gradients: Whether a gradient that is not finite is an error; with fp16 the scaler skips such a step.
    """

    def __init__(self, ids: np.ndarray, world: World, lag: int, gradients: bool) -> None:
        self._ids, self._world, self._lag, self._gradients = ids, world, lag, gradients
        self._pending: deque[Callable[[], Checked]] = deque()

    def add(
        self,
        step: int,
        rate: float,
        rows_B: np.ndarray,
        losses_B: torch.Tensor,
        norm: torch.Tensor,
        stop: bool,
        save: bool,
    ) -> None:
        """Queue the values of one step without reading them.

        Args:
            step: Its number.
            rate: Its learning rate.
            rows_B: Places of its images in the ids.
            losses_B: On the device.
            norm: Of the gradient, on the device.
            stop: This process was asked to stop.
            save: A save is due.
        """
        bad_norm = ~torch.isfinite(norm) if self._gradients else torch.zeros_like(norm, dtype=torch.bool)
        bad = torch.stack([(~torch.isfinite(losses_B)).any(), bad_norm]).float()
        asked = torch.tensor([float(stop), float(save)])
        votes = torch.cat([bad, asked.to(losses_B.device, non_blocking=True)])
        values = torch.cat([losses_B.float(), self._world.max(votes)])
        ready = None
        if values.is_cuda:
            host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            host.copy_(values, non_blocking=True)
            values, ready = host, torch.cuda.current_stream().record_event()
        self._pending.append(partial(self._check, step, rate, rows_B, values, ready))

    def read(self, all_of_them: bool = False) -> list[Checked]:
        """Return the steps that are at least `lag` behind, or all. Raise UserError for one that is not finite."""
        found = []
        while len(self._pending) > (0 if all_of_them else self._lag):
            found.append(self._pending.popleft()())
        return found

    def _check(
        self, step: int, rate: float, rows_B: np.ndarray, values: torch.Tensor, ready: torch.cuda.Event | None
    ) -> Checked:
        """Read losses of the batch, then the votes: bad loss, bad gradient, stop, save."""
        if ready is not None:
            ready.synchronize()
        losses_B, (bad_loss, bad_gradient, stop, save) = values[:-4], values[-4:].tolist()
        if bad_loss or bad_gradient:
            bad_B = ~torch.isfinite(losses_B).numpy() if bad_loss else np.ones(len(losses_B), bool)
            names = [str(name) for name in self._ids[rows_B[bad_B]]]
            raise UserError(
                f"Non-finite {'loss' if bad_loss else 'gradient'} at step {step} "
                f"(images {', '.join(names[:NAMED]) or 'of another process'}); nothing was "
                'updated. Lower lr or set amp = "off", or look at these images.'
            )
        return Checked(step, rate, float(losses_B.mean()), bool(stop), bool(save))
