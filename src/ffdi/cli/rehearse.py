"""`ffdi kernels rehearse`."""

from pathlib import Path

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.kernels.rehearse import Rehearsed, Verdict, rehearse
from ffdi.kernels.sandbox import network_off


def run(kernel: Path, pack: Path, data: Path, images: int) -> None:
    """Raises UserError if one scenario failed."""
    if not network_off():
        console.say("No network namespace is permitted here: sockets are refused by the interpreter alone.")
    done = rehearse(kernel, pack, data, images)
    _show(kernel, done)
    failed = [verdict for verdict in done.verdicts if not verdict.passed]
    for verdict in failed:
        console.fail(f"{verdict.scenario.name}: " + "\n".join(verdict.faults))
    if failed:
        raise UserError(f"{len(failed)} of {len(done.verdicts)} scenarios failed; do not push {kernel}.")


def _show(kernel: Path, done: Rehearsed) -> None:
    rows = [
        [
            verdict.scenario.name,
            verdict.images,
            f"{verdict.ended.seconds:.1f}",
            f"{verdict.ended.memory / 2**30:.1f}",
            _equal(verdict),
            f"{len(verdict.given_up)}",
            "passed" if verdict.passed else "FAILED",
        ]
        for verdict in done.verdicts
    ]
    columns = ["scenario", "images", "seconds", "GiB", "as ffdi predict", "given up", "verdict"]
    console.table(f"rehearsal of {kernel.name}, on the CPU", columns, rows)
    for verdict in done.verdicts:
        if verdict.given_up:
            console.say(f"{verdict.scenario.name}: {'; '.join(verdict.given_up)}")
    console.say(done.forecast.sentence)


def _equal(verdict: Verdict) -> str:
    return {True: "every bit", False: "no", None: "-"}[verdict.equal]
