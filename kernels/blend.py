"""Blend on Kaggle: outputs of train kernels in, submission.csv out.

Attach the outputs of all train kernels of one recipe. Keep the internet off. Run this file as a script or in one
cell of a notebook. Edit SETTINGS and nothing else.
"""

import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

KIND, API = "blend", 2
SETTINGS = {
    # The dataset with team.json, "owner/slug"; "" takes the one that is attached.
    "pack": "",
    # Name of this run, repeated in run.json; `ffdi kernels push` fills it in.
    "run": "",
}


def find_pack(name: str) -> Path:
    """Return the attached folder with team.json: the dataset "owner/slug" or "slug", or with "" the only one."""
    root = Path(os.environ.get("FFDI_INPUT", "/kaggle/input"))
    paths = [path for depth in range(1, 5) for path in sorted(root.glob("*/" * depth + "team.json"))]
    found = {}
    for path in sorted(paths, key=lambda path: (path.parent / "run.json").is_file()):  # datasets before outputs
        place = path.parent.relative_to(root).as_posix()
        if not name or f"/{name}/" in f"/{place}/" or place.split("/")[0] == name.split("/")[-1]:
            found.setdefault(path.read_bytes(), path.parent)  # equal copies, in outputs of train kernels, count once
    if len(found) != 1:
        places = ", ".join(map(str, found.values())) or f"none below {root}"
        sys.exit(f'One attached dataset must have team.json; found: {places}. Attach one, or set "pack" in SETTINGS.')
    return next(iter(found.values()))


def install(pack: Path) -> None:
    """Unpack the kit's wheel and put it first on the path of this process and its children."""
    wheel = json.loads((pack / "team.json").read_text())["wheel"]
    data = (pack / wheel["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != wheel["sha256"]:
        sys.exit(f"{pack / wheel['file']} is not the wheel that team.json names; pack and upload the dataset again.")
    folder = tempfile.mkdtemp(prefix="ffdi-")
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    for module in [module for module in sys.modules if module.split(".")[0] == "ffdi"]:
        del sys.modules[module]  # of an earlier run of this cell
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


if __name__ == "__main__":  # worker processes import this file again
    PACK = find_pack(SETTINGS["pack"])
    install(PACK)
    from ffdi.kernels.run import run

    run(KIND, SETTINGS, PACK, API)
