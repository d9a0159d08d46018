"""The hand-written scripts in `kernels/`: their settings, their metadata, and a copy with the kit inside."""

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffdi.config.competition import Competition
from ffdi.core import atomic
from ffdi.core.errors import UserError
from ffdi.core.layout import TEAM
from ffdi.kernels import team
from ffdi.kernels.team import TeamPack

KIND = re.compile(r'^KIND, API = "(infer|train|blend)", \d+$', re.MULTILINE)
METADATA = "kernel-metadata.json"
OWNER = "OWNER"  # stands for the Kaggle account until a push puts it in
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

    def with_settings(self, values: Mapping[str, str]) -> str:
        """Return the text with other settings, as a person would edit them. Raises UserError for an unknown one."""
        text = self.text
        for name, value in values.items():
            line = f'    "{name}": {json.dumps(value)},'
            text, count = re.subn(rf'^    "{name}": .*,$', line.replace("\\", r"\\"), text, flags=re.MULTILINE)
            if count != 1:
                raise UserError(
                    f"{self.path} has {count} settings {name!r}, not one; take the script of the kit again."
                )
        return text


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


def lay_out(path: Path, packs: Sequence[Path], folder: Path) -> Path:
    """Write the script and its `kernel-metadata.json` into `folder`, as Kaggle's client wants them; return the folder.

    A `path` that is such a folder already is returned as it is. Raises UserError if no pack has a team.json.
    """
    if path.is_dir():
        return path
    kernel = read(path)
    packed = next((team.read(pack) for pack in packs if (pack / TEAM).is_file()), None)
    if packed is None:
        raise UserError(f"{path} reads a packed dataset; name its folder with --pack.")
    slug = f"{packed.recipe.name.replace('_', '-')}-{kernel.kind}"
    atomic.write_text(folder / f"{slug}.py", kernel.text)
    atomic.write_text(folder / METADATA, json.dumps(_metadata(kernel.kind, slug, packed.competition), indent=1) + "\n")
    return folder


def _metadata(kind: str, slug: str, competition: Competition) -> dict[str, Any]:
    """Return every key that counts: Kaggle's default for the internet, for one, is on."""
    gpu = kind != "blend"
    return {
        "id": f"{OWNER}/{slug}",
        "title": slug,
        "code_file": f"{slug}.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": gpu,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4" if gpu else "",
        "competition_sources": {"infer": [competition.slug], "train": competition.slugs, "blend": []}[kind],
        "dataset_sources": [],
        "kernel_sources": [f"{OWNER}/{slug.removesuffix(kind)}train"] if kind == "blend" else [],
    }
