"""`ffdi kernels push`: upload folders as datasets, run a kernel, fetch its output."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.core import console
from ffdi.core.errors import Paused
from ffdi.core.layout import SUBMISSION_CSV
from ffdi.core.lock import exclusive
from ffdi.core.stop import parse_until
from ffdi.kernels import script, team
from ffdi.submission.check import check
from ffdi.submission.client import sign_in
from ffdi.submission.dataset import DatasetFolder, publish, read_folder
from ffdi.submission.kernel import Kernel, KernelSession, Push
from ffdi.submission.ledger import one_line
from ffdi.submission.output import await_output, facts_of
from ffdi.submission.retry import Clock
from ffdi.submission.submit import expected_ids

CLOCK = Clock()


@dataclass(frozen=True)
class PushOptions:
    """The command line."""

    kernel: Path  # the script
    pack: Path  # the folder that becomes a dataset
    wait: str  # how long to wait for the run, such as "12h"
    yes: bool  # upload and run; without this everything is only shown
    work: Path  # the folder that remembers the push and gets its output
    kernels: Sequence[str] = ()  # sources beside the pack
    datasets: Sequence[str] = ()  # the same
    again: bool = False  # push a kernel that was run before


def run(options: PushOptions) -> None:
    """Raise UserError (exit code 2) with nothing pushed, or Paused (75) where the same command goes on."""
    until = parse_until(options.wait, CLOCK.now(), "--wait") or CLOCK.now()
    kaggle = sign_in()
    pack, kernel, competition = prepare(options, kaggle.owner)
    _show(pack, kernel, options.kernel)
    if not options.yes:
        return console.say("nothing was uploaded; with --yes it is")
    session = KernelSession(kaggle, options.work / "kernels" / kernel.about.slug, until, CLOCK)
    try:
        with exclusive(session.folder):
            folder, pushed = _upload_and_run(session, pack, kernel, options.again)
            _tell(kernel, pushed, folder, competition, options.work)
    except KeyboardInterrupt:
        raise Paused("Interrupted; what was sent is known, run the same command to go on.") from None


def prepare(options: PushOptions, owner: str) -> tuple[DatasetFolder, Kernel, Competition]:
    """Return everything read and checked, before the first upload. Raise UserError."""
    pack, packed, kernel = read_folder(options.pack, owner), team.read(options.pack), script.read(options.kernel)
    about = script.metadata(kernel, packed, owner, [*options.datasets, pack.id], options.kernels)
    return pack, Kernel(kernel.text, about, pack.digest), packed.competition


def _show(pack: DatasetFolder, kernel: Kernel, given: Path) -> None:
    about, size = kernel.about, len(kernel.text.encode())
    rows = [
        ["dataset", f"{pack.id}: {len(pack.sizes)} files, {sum(pack.sizes.values()) / 1e6:,.1f} MB, private"],
        ["kernel", f"{about.id}: {size / 1e3:,.0f} kB, private, internet off"],
        ["machine", "two T4" if about.gpu else "CPU only"],
        ["reads", ", ".join([*about.competition_sources, *about.dataset_sources, *about.kernel_sources])],
    ]
    console.table(f"push {given}", ["", ""], rows)


def _upload_and_run(session: KernelSession, pack: DatasetFolder, kernel: Kernel, again: bool) -> tuple[Path, Push]:
    """Return the checked output of the kernel, and its push."""
    version, uploaded = publish(session, pack)
    said = "uploaded and verified" if uploaded else "unchanged, nothing was uploaded"
    console.say(f"{pack.id} version {version}: {said}")
    pushed = session.push(kernel, again)
    console.say(f"{kernel.about.id} version {pushed.version}, run {pushed.run}: {pushed.url}")
    if pushed.output:
        console.say("it was run before, with the same weights; --again runs it again")
    return await_output(session, kernel, pushed), pushed


def _tell(kernel: Kernel, pushed: Push, folder: Path, competition: Competition, work: Path) -> None:
    """Print where the output is, what the kernel says of it, and how it is used. Check its submission."""
    facts, path, name = facts_of(folder), folder / SUBMISSION_CSV, kernel.about.id
    console.say(f"{name} version {pushed.version} is complete, its output is in {folder}")
    for fact in [fact for fact in ("rows", "unreached", "degraded", "seconds") if facts.get(fact)]:
        console.say(f"  {fact}: {one_line(str(facts[fact]))}")
    if facts.get("doubt"):
        console.warn(f"the kernel ended well, and yet: {one_line(str(facts['doubt']))}")
    if not path.is_file():
        return console.say(f"there is no {path.name} in it; attach it to the next kernel with --kernel-source {name}")
    ids = expected_ids(check(path, competition, None)[competition.id_column], competition, work)
    check(path, competition, ids)
    console.say(f"{path.name} is checked" + ("" if ids else " without its ids: no manifest here knows these images"))
    competitions = kernel.about.competition_sources  # of several the first is the one submitted to
    slug = f" --competition {competitions[0]}" if competitions else ""
    console.say(f"submit it: ffdi submit --kernel {name} --version {pushed.version}{slug}")
