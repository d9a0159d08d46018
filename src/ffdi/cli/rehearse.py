"""`ffdi kernels rehearse`: run a kernel as Kaggle would, offline."""

from pathlib import Path

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.kernels.rehearse import Verdict, rehearse
from ffdi.kernels.sandbox import network_off


def run(kernel: Path, pack: Path, data: Path, images: int) -> None:
    """Rehearse a kernel offline and show what happened.

    Args:
        kernel: The script.
        pack: Its dataset.
        data: The competition folder.
        images: Test images to try it with, at most.

    Raises:
        UserError: A scenario failed.
    """
    if not network_off():
        console.say("No network namespace is permitted here: sockets are refused by the interpreter alone.")
    verdicts = rehearse(kernel, pack, data, images)
    columns = ["scenario", "images", "seconds", "as ffdi blend", "given up", "verdict"]
    console.table(f"rehearsal of {kernel.name}, on the CPU", columns, [_row(verdict) for verdict in verdicts])
    for verdict in [verdict for verdict in verdicts if verdict.given_up]:
        console.say(f"{verdict.scenario.name}: {'; '.join(verdict.given_up)}")
    failed = [verdict for verdict in verdicts if verdict.faults]
    for verdict in failed:
        console.fail(f"{verdict.scenario.name}: " + "\n".join(verdict.faults))
    if failed:
        raise UserError(f"{len(failed)} of {len(verdicts)} scenarios failed; do not push {kernel}.")


def _row(verdict: Verdict) -> list[object]:
    equal = {True: "every bit", False: "no", None: "-"}[verdict.equal]
    passed = "FAILED" if verdict.faults else "passed"
    return [verdict.scenario.name, verdict.images, f"{verdict.seconds:.1f}", equal, len(verdict.given_up), passed]
