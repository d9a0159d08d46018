"""The hand-written scripts in `kernels/`: their settings, what Kaggle is told of them, a copy with the kit inside."""

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffdi.core.errors import UserError
from ffdi.core.layout import TEAM
from ffdi.kernels.team import TeamPack
from ffdi.kernels.wheels import normalised
from ffdi.submission.kernel import KernelMetadata

KIND = re.compile(r'^KIND, API = "(infer|train|blend)", \d+$', re.MULTILINE)
FIND = '    PACK = find_pack(SETTINGS["pack"])\n'
UNPACK = """\
    import base64
    import zlib

    PACK = Path(tempfile.mkdtemp(prefix="ffdi-"))
    for name, data in EMBEDDED.items():
        (PACK / name).write_bytes(zlib.decompress(base64.b64decode(data)))
"""


@dataclass(frozen=True)
class Script:
    """`kind`: infer, train or blend."""

    path: Path
    text: str
    kind: str

    def setting(self, name: str) -> str:
        """Return a text setting; "" where it is empty, missing or no text."""
        found = re.search(rf'^    "{name}": (".*"),$', self.text, re.MULTILINE)
        return str(json.loads(found[1])) if found else ""


def read(path: Path) -> Script:
    """Return the script. Raises UserError unless it is one of the kit's."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); name a script such as kernels/infer.py.") from error
    kind = KIND.search(text)
    if kind is None:
        raise UserError(f"{path} is no kernel of the kit; name a script such as kernels/infer.py.")
    return Script(path, text, kind[1])


def embed(script: Script, pack: TeamPack) -> str:
    """Return the script with team.json and the wheels inside, for people without a dataset.

    Raises UserError for an infer kernel: the weights of a team do not fit into a script.
    """
    if script.kind == "infer":
        raise UserError("The weights of a team do not fit into a script; attach the packed folder as a dataset.")
    names = [TEAM, *(name for name in pack.files if name.endswith(".whl"))]
    parts = {Path(name).name: base64.b64encode(zlib.compress(pack.path(name).read_bytes(), 9)) for name in names}
    if FIND not in script.text:
        raise UserError(f"{script.path} has no line {FIND.strip()!r}; take the script of the kit again.")
    lines = "".join(f'        "{name}": "{data.decode()}",\n' for name, data in parts.items())
    return script.text.replace(FIND, f"    EMBEDDED = {{\n{lines}    }}\n{UNPACK}")


def metadata(
    script: Script, pack: TeamPack, owner: str, datasets: Sequence[str], kernels: Sequence[str]
) -> KernelMetadata:
    """Return what Kaggle is told of a script.

    Args:
        script: its kind decides on machine and sources.
        pack: its recipe gives the kernel its name.
        owner: the Kaggle account.
        datasets, kernels: "owner/slug" of what is attached; to a blend kernel also the train kernel of the recipe.

    Raises:
        UserError: for a source that Kaggle would not take.
    """
    name, competition = pack.recipe.name, pack.competition
    trained = [f"{owner}/{normalised(f'{name}-train')}"] if script.kind == "blend" else []
    return KernelMetadata(
        id=f"{owner}/{normalised(f'{name}-{script.kind}')}",  # as Kaggle makes it of the title: no two dashes
        gpu=script.kind != "blend",
        competition_sources={"infer": [competition.slug], "train": competition.slugs, "blend": []}[script.kind],
        dataset_sources=datasets,
        kernel_sources=[*trained, *kernels],
    )
