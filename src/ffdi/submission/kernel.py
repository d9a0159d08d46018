"""One push of a kernel: done once, whatever happens to the answer or to the command.

Kaggle makes and runs a version with every push, charges its time, and has no list of versions. So what is about to be
pushed is written down first. After a lost answer or a kill the next command looks for that version before it pushes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ffdi.core import checksum, console, digest
from ffdi.core.errors import Paused, UserError
from ffdi.core.layout import PUSH_STATE
from ffdi.submission.client import KaggleClient
from ffdi.submission.errors import LostReply, Unreachable
from ffdi.submission.ledger import one_line
from ffdi.submission.retry import LOOKS_AFTER_LOST_REPLY, Clock, poll

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
KERNEL = re.compile(rf"{NAME}/[a-z0-9][a-z0-9-]{{4,49}}")
SOURCE = re.compile(f"{NAME}/{NAME}(/[1-9][0-9]*)?")  # a dataset or the output of a kernel; no version: the newest
LIMIT = 12 * 3600  # seconds: the longest that Kaggle lets a run on CPU or GPU take; a kernel has its own deadline
T4 = "NvidiaTeslaT4"  # two of them: Kaggle has no machine with one


def with_settings(text: str, **values: str) -> str:
    """Return a script with other SETTINGS, as a person would edit them. Raise UserError for one that it lacks."""
    for name, value in values.items():
        line = f'    "{name}": {json.dumps(value)},'.replace("\\", r"\\")
        text, count = re.subn(rf'^    "{name}": .*,$', line, text, flags=re.MULTILINE)
        if count != 1:
            raise UserError(f"The script has {count} settings {name!r}, not one; take the script of the kit again.")
    return text


@dataclass(frozen=True)
class KernelMetadata:
    """A private script without internet, on two T4s or, without `gpu`, on CPUs. Raises UserError for a bad name."""

    id: str  # "owner/slug"; the title is the slug, since Kaggle makes the real slug of the title
    gpu: bool  # whether it needs the T4s
    competition_sources: Sequence[str] = ()  # these three: what is attached
    dataset_sources: Sequence[str] = ()
    kernel_sources: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not KERNEL.fullmatch(self.id):
            raise UserError(
                f"{self.id} is no kernel's name; rename the recipe: 5 to 50 small letters, digits and dashes."
            )
        for source in [*self.dataset_sources, *self.kernel_sources]:
            if not SOURCE.fullmatch(source):
                raise UserError(f'{source!r}: write "owner/slug" or "owner/slug/version", the end of its address.')

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]

    def request(self) -> dict[str, Any]:
        """Return the fields of Kaggle's SaveKernel call, without the text. Its default for the internet is on."""
        return {
            "slug": self.id,
            "newTitle": self.slug,
            "language": "python",
            "kernelType": "script",
            "isPrivate": True,
            "enableGpu": self.gpu,
            "enableTpu": False,
            "enableInternet": False,
            "competitionDataSources": [*self.competition_sources],
            "datasetDataSources": [*self.dataset_sources],
            "kernelDataSources": [*self.kernel_sources],
            "sessionTimeoutSeconds": LIMIT,
        } | ({"machineShape": T4} if self.gpu else {})


@dataclass(frozen=True)
class Kernel:
    """A script, its metadata with all sources, and the digest of the dataset that was uploaded for it."""

    text: str
    about: KernelMetadata
    dataset: str

    @property
    def digest(self) -> str:
        return digest.of_json([self.text, asdict(self.about), [self.dataset]])


@dataclass(frozen=True)
class Push:
    """The known facts of a push."""

    kernel: str  # digest of what was pushed
    run: str  # id of the run; the script writes it into its output
    before: int  # the newest version when it was pushed
    version: int = 0  # the version that it made; 0 while unknown
    url: str = ""  # its page
    output: str = ""  # name of the folder with its checked output; "" while it is not here


@dataclass(frozen=True)
class KernelSession:
    """Places and limits of a push."""

    kaggle: KaggleClient
    folder: Path  # remembers the push
    until: float  # ends the waiting, on the clock
    clock: Clock

    def push(self, kernel: Kernel, again: bool = False) -> Push:
        """Return the push of this kernel that an earlier command began, or push it.

        Args:
            kernel: what to push.
            again: push once more if the output of the earlier push is here; until then, go on with that one.

        Raises:
            Paused: if the answer was lost and no new version shows up; the same command looks again, then pushes.
            Refused: if Kaggle does not take it; nothing of it is remembered.
        """
        known = self._read_state()
        if known is None or known.kernel != kernel.digest or (again and known.output):
            return self._push_now(kernel)
        if known.version:
            return known
        console.say(f"an earlier push of {kernel.about.id} had no answer; looking whether it arrived.")
        found = self._find(kernel, known)
        if found is None:
            console.say("it did not; pushing again.")
        return found or self._push_now(kernel)

    def save(self, push: Push) -> Push:
        checksum.write_json(self.folder / PUSH_STATE, asdict(push))
        return push

    def forget(self) -> None:
        """Make the next command push anew."""
        (self.folder / PUSH_STATE).unlink(missing_ok=True)

    def _read_state(self) -> Push | None:
        path = self.folder / PUSH_STATE
        return Push(**checksum.read_json(path)) if path.is_file() else None

    def _push_now(self, kernel: Kernel) -> Push:
        about, last = kernel.about, self._read_state()
        before, _ = self.kaggle.newest_kernel(about.id)
        started = re.sub(r"[-:]|\+.*", "", self.clock.date())
        push = Push(kernel.digest, f"{started}-{kernel.digest[:12]}", before)
        text = with_settings(kernel.text, run=push.run)
        self.save(push)
        try:
            version, url = self.kaggle.push_kernel(about, text)
        except LostReply as error:
            console.warn(f"the answer to the push of {about.id} was lost; looking whether it arrived.")
            if found := self._find(kernel, push):
                return found
            raise Paused(f"The push of {about.id} did not arrive; run the same command again to push.") from error
        except (UserError, Unreachable):  # refused or never sent: nothing to look for
            if last is not None and last.version:
                self.save(last)  # an earlier push, which Kaggle has
            else:
                self.forget()
            raise
        return self.save(replace(push, version=version, url=one_line(url)))

    def _find(self, kernel: Kernel, push: Push) -> Push | None:
        """Return the push with its version, or None if no new version shows up."""

        def look(number: int) -> int | None:
            version, text = self.kaggle.newest_kernel(kernel.about.id)
            if version > push.before or push.run in text:
                return max(version, push.before + 1)
            return 0 if number + 1 >= LOOKS_AFTER_LOST_REPLY else None

        version = poll(f"The push of {kernel.about.id} is being looked for", look, self.until, self.clock)
        return self.save(replace(push, version=version)) if version else None
