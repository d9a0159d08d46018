"""What a person attaches to a kernel beside what its metadata names, such as its own last output; kept from then on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ffdi.config.competition import Frozen
from ffdi.config.load import validate
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.submission.metadata import KernelMetadata, Source, checked_source

FILE = "attached.json"


class Attached(Frozen):
    """`kernels`, whose outputs are read, and `datasets`: "owner/slug" or "owner/slug/version" each."""

    kernels: tuple[Source, ...] = ()
    datasets: tuple[Source, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.datasets + self.kernels

    def joined(self, newer: "Attached") -> "Attached":
        return Attached(kernels=join(self.kernels, newer.kernels), datasets=join(self.datasets, newer.datasets))

    def on(self, about: KernelMetadata) -> KernelMetadata:
        """`about` with these sources too."""
        sources = {
            "kernel_sources": list(join(about.kernel_sources, self.kernels)),
            "dataset_sources": list(join(about.dataset_sources, self.datasets)),
        }
        return about.model_copy(update=sources)

    def without(self, about: KernelMetadata) -> "Attached":
        """Those of these sources that `about` does not name itself, in whatever version."""
        known = {_thing(name) for name in (*about.kernel_sources, *about.dataset_sources)}
        kernels, datasets = (
            tuple(name for name in names if _thing(name) not in known) for names in (self.kernels, self.datasets)
        )
        return Attached(kernels=kernels, datasets=datasets)


def join(names: Iterable[str], newer: Iterable[str]) -> tuple[str, ...]:
    """Both, in their order; one of `newer` takes the place of another version of the same thing."""
    return tuple({_thing(name): name for name in (*names, *newer)}.values())


def named(kernels: Sequence[str], datasets: Sequence[str]) -> Attached:
    """What `--kernel-source` and `--dataset-source` name. Raises UserError for what is not of the form."""
    for option, names in (("--kernel-source", kernels), ("--dataset-source", datasets)):
        for name in names:
            try:
                checked_source(name)
            except ValueError as error:
                raise UserError(f"{option}: {error}, not {name!r}.") from error
    return Attached(kernels=join((), kernels), datasets=join((), datasets))


def load(room: Path) -> Attached:
    """What earlier pushes from `room` attached."""
    path = room / FILE
    return validate(Attached, checksum.read_json(path), str(path)) if path.is_file() else Attached()


def keep(room: Path, attached: Attached) -> None:
    if attached.names:
        checksum.write_json(room / FILE, attached.model_dump(mode="json"))


def _thing(name: str) -> str:
    """Owner and slug, without the version."""
    return "/".join(name.split("/")[:2])
