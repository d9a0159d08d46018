"""One push of a kernel: sent once, whatever happens to the answer or to the command.

Kaggle makes and runs a version with every push, charges its time, and cannot be asked for a list of them. So what is
about to be sent is written down first; a lost answer or an interrupted command makes us look for that version, and only
a person's next command pushes again. An equal wish is not pushed twice, but for `again`.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ffdi.core import atomic, checksum, console, digest
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.submission import metadata
from ffdi.submission.answers import KernelSource, KernelState, Pushed
from ffdi.submission.metadata import KernelMetadata
from ffdi.submission.refusals import LostReply, Unreachable
from ffdi.submission.row import plain
from ffdi.submission.watch import Watch

RUN = re.compile(r'^    "run": "[^"\n]*",$', re.MULTILINE)  # in the SETTINGS of a built script
STATE = "push.json"
LOST_LOOKS = 4  # at 0, 30, 75 and 142 s after a lost answer


class Kernels(Protocol):
    """The part of `submit.kaggle.Kaggle` that this needs."""

    def newest_kernel(self, owner: str, slug: str) -> KernelSource: ...
    def push_kernel(self, folder: Path, timeout_seconds: int) -> Pushed: ...
    def kernel_status(self, owner: str, slug: str, version: int | None = None) -> KernelState: ...
    def kernel_output(self, owner: str, slug: str, folder: Path, version: int | None = None) -> list[Path]: ...


@dataclass(frozen=True)
class Kernel:
    """What is wished for: a script, its metadata with all sources, and the digests of the packs they name."""

    script: str
    about: KernelMetadata
    packs: Sequence[str]

    @property
    def digest(self) -> str:
        return digest.of_json([self.script, self.about.model_dump(), list(self.packs)])

    def write(self, folder: Path, run: str) -> Path:
        """The folder that is pushed: the script with its run id, and the metadata."""
        text, count = RUN.subn(f'    "run": "{run}",', self.script)
        if count != 1:
            raise UserError(
                f'{self.about.code_file} has {count} settings "run", not one; build it again (make kernels).'
            )
        atomic.write_text(folder / self.about.code_file, text)
        metadata.write(folder / metadata.KERNEL, self.about)
        return folder


@dataclass(frozen=True)
class Push:
    """`wish`: digest of the kernel. `before`: the newest version when it was sent. `version`: 0 while unknown.

    `output`: name of the folder with the checked output, once it is there.
    """

    wish: str
    run: str
    before: int
    version: int = 0
    url: str = ""
    output: str = ""


@dataclass(frozen=True)
class Pad:
    """Where a kernel is launched from: the client, the folder that remembers, the patience. `limit`: seconds a run."""

    kaggle: Kernels
    room: Path
    watch: Watch
    limit: int


def push(pad: Pad, kernel: Kernel, again: bool = False) -> Push:
    """The push of this kernel: the one that an earlier command began, or a new one.

    `again`: a new one too where the output of the earlier one is here; until then that one is gone on with, so that the
    same command may be given after every stop. Raises Paused when the answer was lost and no new version shows up; what
    Kaggle refuses is raised and forgotten.
    """
    known = begun(pad.room, kernel, again)
    if known is not None:
        if known.version:
            return known
        console.say(f"an earlier push of {kernel.about.id} had no answer; looking whether it arrived.")
        found = _found(pad, kernel, known)
        if found is not None:
            return found
        console.say("it did not; pushing again.")
    return _send(pad, kernel)


def begun(room: Path, kernel: Kernel, again: bool = False) -> Push | None:
    """The push of this kernel that an earlier command left in `room`, answered or not; None if a new one is due."""
    known = _remembered(room)
    if known is None or known.wish != kernel.digest or (again and known.output):
        return None
    return known


def _remembered(room: Path) -> Push | None:
    """The last push that was begun from `room`, of whatever wish."""
    if not (room / STATE).is_file():
        return None
    try:
        return Push(**checksum.read_json(room / STATE))
    except TypeError as error:
        raise CorruptError(f"{room / STATE} is of another version of the kit; delete it.") from error


def save(room: Path, push: Push) -> Push:
    checksum.write_json(room / STATE, asdict(push))
    return push


def _send(pad: Pad, kernel: Kernel) -> Push:
    about, last = kernel.about, _remembered(pad.room)
    before = pad.kaggle.newest_kernel(about.owner, about.slug).version
    now = datetime.fromtimestamp(pad.watch.now(), UTC)
    push = Push(kernel.digest, f"{now:%Y%m%dT%H%M%S}-{kernel.digest[:12]}", before)
    folder = kernel.write(pad.room / "pushed", push.run)
    save(pad.room, push)
    try:
        answer = pad.kaggle.push_kernel(folder, pad.limit)
    except LostReply as error:
        console.warn(f"the answer to the push of {about.id} was lost; looking whether it arrived.")
        found = _found(pad, kernel, push)
        if found is None:
            raise Paused(f"The push of {about.id} did not arrive; run the same command again to push.") from error
        return found
    except (UserError, Unreachable):  # refused, or never left: nothing to look for
        if last is not None and last.version:
            save(pad.room, last)  # an earlier one, which Kaggle has
        else:
            (pad.room / STATE).unlink()
        raise
    return save(pad.room, replace(push, version=answer.version, url=plain(answer.url)))


def _found(pad: Pad, kernel: Kernel, push: Push) -> Push | None:
    """The push with the version that it made, or None if none shows up."""

    def look(number: int) -> int | None:
        newest = pad.kaggle.newest_kernel(kernel.about.owner, kernel.about.slug)
        if newest.version > push.before or push.run in newest.text:
            return max(newest.version, push.before + 1)
        return 0 if number + 1 >= LOST_LOOKS else None

    version = pad.watch.wait(f"The push of {kernel.about.id} is being looked for", look)
    return save(pad.room, replace(push, version=version)) if version else None
