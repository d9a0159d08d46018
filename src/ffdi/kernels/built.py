"""A kernel as it stands in its folder: the file, its settings, what its metadata attaches."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffdi.core.errors import UserError

METADATA = "kernel-metadata.json"


@dataclass(frozen=True)
class Built:
    """`kind`: infer, train or blend. `competitions`, `datasets`: what is attached, as Kaggle names it."""

    script: Path
    kind: str
    competitions: tuple[str, ...]
    datasets: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.script.read_text()

    def setting(self, name: str) -> str:
        """A text setting; "" where it is empty, missing or no text."""
        found = re.search(rf'^    "{name}": (".*"),$', self.text, re.MULTILINE)
        return str(json.loads(found[1])) if found else ""

    def with_settings(self, values: Mapping[str, str]) -> str:
        """The file with other settings, as a person would edit them. Raises UserError for one that it does not have."""
        lines = self.text.splitlines(keepends=True)
        for name, value in values.items():
            at = [number for number, line in enumerate(lines) if line.startswith(f'    "{name}": ')]
            if not at:
                raise UserError(f"{self.script} has no setting {name!r}; build it again with this version of the kit.")
            lines[at[0]] = f'    "{name}": {json.dumps(value)},\n'
        return "".join(lines)


def read(folder: Path) -> Built:
    """Raises UserError unless `folder` holds a built kernel."""
    try:
        metadata = json.loads((folder / METADATA).read_text())
        script = folder / str(metadata["code_file"])
        kind = re.search(r'^KIND = "(\w+)"$', script.read_text(), re.MULTILINE)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} holds no built kernel ({error}); run ffdi kernels build first.") from error
    if kind is None:
        raise UserError(f"{script} is no kernel of ours; run ffdi kernels build again.")
    competitions, datasets = (tuple(metadata.get(f"{name}_sources", ())) for name in ("competition", "dataset"))
    return Built(script, kind[1], competitions, datasets)
