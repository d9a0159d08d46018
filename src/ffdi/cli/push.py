"""`ffdi kernels push`: the weights as datasets, the kernel as a run, its output back, and the line that submits it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ffdi.cli import push_check
from ffdi.config.load import validate
from ffdi.core import console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import Paused, UserError
from ffdi.core.lock import exclusive
from ffdi.kernels import script, team
from ffdi.submission import attached, dataset, kernel, metadata, output
from ffdi.submission.answers import Quota
from ffdi.submission.attached import Attached
from ffdi.submission.folder import CSV
from ffdi.submission.kaggle import Kaggle, sign_in
from ffdi.submission.kernel import Kernel, Pad, Push
from ffdi.submission.metadata import DatasetMetadata, KernelMetadata
from ffdi.submission.row import plain
from ffdi.submission.staging import Pack, read_pack
from ffdi.submission.watch import Watch

OWNER = "OWNER/"  # what a built kernel says instead of the account
LIMIT = 12 * 3600  # seconds: Kaggle's most for a run on CPU or GPU; the kernel keeps a deadline of its own
IMAGES = {True: "gcr.io/kaggle-gpu-images/python", False: "gcr.io/kaggle-images/python"}
CLOCK = (time.time, time.sleep)


@dataclass(frozen=True)
class Asked:
    """The command line. `image`: a digest or a whole reference, "" for the newest; `wait`: a text such as 12h;
    `kernels`, `datasets`: sources beside those of the metadata; `again`: a new version although an equal one was run.
    """

    folder: Path
    packs: Sequence[Path]
    owner: str
    image: str
    wait: str
    yes: bool
    work: Path
    kernels: Sequence[str] = ()
    datasets: Sequence[str] = ()
    again: bool = False


@dataclass(frozen=True)
class Shipment:
    """All that goes up: each pack with the dataset it becomes, and the kernel that reads them.

    `attached`: the sources that this command names, and those that earlier ones did, which `room` remembers.
    """

    packs: Sequence[tuple[Pack, DatasetMetadata]]
    kernel: Kernel
    attached: Attached
    room: Path


def run(asked: Asked) -> None:
    """Raises UserError and Refused (exit code 2) with nothing pushed, Paused (75) where the same command goes on."""
    now, sleep = CLOCK
    until = parse_until(asked.wait, now(), "--wait")
    watch = Watch(now() if until is None else until, now, sleep)
    kaggle = sign_in()
    shipment = prepare(asked, asked.owner or kaggle.owner)
    about = shipment.kernel.about
    quota = kaggle.gpu_quota() if about.machine_shape else None
    _show(shipment, quota, asked.folder)
    if not asked.yes:
        console.say("nothing was uploaded; with --yes it is")
        return
    room = shipment.room
    try:
        room.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {room}: {error.strerror}; name another place with --work.") from error
    try:
        with exclusive(room):
            if quota is not None and kernel.begun(room, shipment.kernel, asked.again) is None:
                _refuse_spent(quota)
            _go(shipment, kaggle, Pad(kaggle, room, watch, LIMIT), asked)
    except KeyboardInterrupt:
        raise Paused("Interrupted; what was sent is known, run the same command to go on.") from None


def prepare(asked: Asked, owner: str) -> Shipment:
    """Everything read and checked, before the first upload. Raises UserError."""
    packs = [(pack, _about(pack, owner)) for pack in map(read_pack, asked.packs)]
    if len({about.id for _, about in packs}) < len(packs):
        raise UserError("Two folders given with --pack have one name, and so would be one dataset; rename one.")
    with TemporaryDirectory() as scratch:
        return _prepared(asked, owner, packs, script.lay_out(asked.folder, asked.packs, Path(scratch)))


def _prepared(asked: Asked, owner: str, packs: list[tuple[Pack, DatasetMetadata]], folder: Path) -> Shipment:
    found = metadata.raw(folder / metadata.KERNEL)
    open_names = ("id", "dataset_sources", "kernel_sources")
    known: dict[str, Any] = {name: _owned(found[name], owner) for name in open_names if name in found}
    if asked.image:
        known["docker_image"] = _image(asked.image, found.get("enable_gpu") is True)
    about = metadata.read_kernel(folder, **known)
    room = asked.work / "kernels" / about.slug
    wished = attached.named(_owned(list(asked.kernels), owner), _owned(list(asked.datasets), owner))
    more = attached.load(room).without(about).joined(wished)  # what a person has written since counts more
    about = Attached(datasets=tuple(told.id for _, told in packs)).on(more.on(about))
    text = (folder / about.code_file).read_text()
    return Shipment(packs, Kernel(text, about, [pack.digest for pack, _ in packs]), more, room)


def _about(pack: Pack, owner: str) -> DatasetMetadata:
    """The dataset of a pack is called as its folder."""
    slug = metadata.slugged(pack.folder.resolve().name)
    value = {"id": f"{owner}/{slug}", "title": slug.replace("-", " "), "licenses": [{"name": "other"}]}
    return validate(DatasetMetadata, value, f"the dataset of {pack.folder}")


def _owned(value: Any, owner: str) -> Any:
    """The account where a built kernel leaves it open; what is no text is left to the check."""
    if isinstance(value, list):
        return [_owned(one, owner) for one in value]
    return f"{owner}/{value.removeprefix(OWNER)}" if isinstance(value, str) and value.startswith(OWNER) else value


def _image(image: str, gpu: bool) -> str:
    return f"{IMAGES[gpu]}@{image}" if image.startswith("sha256:") else image


def _show(shipment: Shipment, quota: Quota | None, folder: Path) -> None:
    about, size = shipment.kernel.about, len(shipment.kernel.script.encode())
    rows = [
        ["dataset", f"{told.id}: {len(pack.expected)} files, {sum(pack.expected.values()) / 1e6:,.1f} MB, private"]
        for pack, told in shipment.packs
    ]
    rows.append(["kernel", f"{about.id}: {about.code_file}, {size / 1e3:,.0f} kB, private, internet off"])
    rows.append(["machine", f"{about.machine_shape} (two of them)" if about.machine_shape else "CPU alone"])
    sources = [*about.competition_sources, *about.dataset_sources, *about.kernel_sources, *about.model_sources]
    rows.append(["reads", ", ".join(sources) or "nothing"])
    if shipment.attached.names:
        rows.append(["attached", ", ".join(shipment.attached.names)])
    rows.append(["image", about.docker_image or "Kaggle's newest"])
    if quota is not None:
        rows.append(["GPU quota", _left(quota)])
    console.table(f"push {folder}", ["", ""], rows)
    kept = [name for name in attached.load(shipment.room).names if name in shipment.attached.names]
    if kept:
        path = shipment.room / attached.FILE
        console.say(f"attached as by an earlier push: {', '.join(kept)}; delete {path} to leave that out")


def _left(quota: Quota) -> str:
    until = f", the week ends {quota.refreshed:%Y-%m-%d %H:%M} UTC" if quota.refreshed else ""
    return f"{max(0.0, quota.allowed - quota.used):.1f} of {quota.allowed:.1f} hours left{until}"


def _refuse_spent(quota: Quota) -> None:
    """Zero hours allowed is what an account that was never verified has, and an answer without numbers."""
    if 0 < quota.allowed <= quota.used:
        raise UserError(f"No GPU time is left ({_left(quota)}); push again then.")


def _go(shipment: Shipment, kaggle: Kaggle, pad: Pad, asked: Asked) -> None:
    about = shipment.kernel.about
    for pack, dataset_about in shipment.packs:
        made = dataset.publish(kaggle, pack, dataset_about, pad.room / "staged", pad.watch)
        said = "uploaded and verified" if made.uploads else "unchanged, nothing was uploaded"
        console.say(f"{dataset_about.id} version {made.version}: {said}")
    pushed = kernel.push(pad, shipment.kernel, asked.again)
    attached.keep(pad.room, shipment.attached)
    console.say(f"{about.id} version {pushed.version}, run {pushed.run}: {pushed.url}")
    if pushed.output:
        console.say("it was run before, with the same weights; --again runs it again")
    folder = output.await_output(pad, shipment.kernel, pushed)
    _tell(about, pushed, folder, output.facts_of(folder))
    teams = [team.read(pack.folder) for pack, _ in shipment.packs if team.FILE in pack.sizes]
    if not (folder / CSV).is_file():
        console.say(
            f"there is no {CSV} in it; what goes on from it is pushed with --kernel-source {about.id}, --again too "
            "if that is this kernel"
        )
        return
    for packed in teams:
        push_check.check(folder / CSV, packed.competition, asked.work)
    console.say(f"submit it: {submit_line(about, pushed)}")


def _tell(about: KernelMetadata, pushed: Push, folder: Path, facts: Mapping[str, Any]) -> None:
    """Where the output is, and what the kernel itself says of it."""
    console.say(f"{about.id} version {pushed.version} is complete, its output is in {folder}")
    for name in ("rows", "unreached", "degraded", "seconds"):
        if facts.get(name):
            console.say(f"  {name}: {plain(str(facts[name]))}")
    if facts.get("doubt"):
        console.warn(f"the kernel wrote its submission, and yet: {plain(str(facts['doubt']))}")


def submit_line(about: KernelMetadata, pushed: Push) -> str:
    """The command that submits this version; of several competitions it reads the first is the one submitted to."""
    slug = f" --competition {about.competition_sources[0]}" if about.competition_sources else ""
    return f"ffdi submit --kernel {about.id} --version {pushed.version}{slug}"
