"""A kernel as one readable file: settings on top, the plain sources it needs below, a short start at the end.

The same sources give the same bytes: no date, no path, everything sorted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffdi.core import atomic, digest
from ffdi.core.errors import UserError
from ffdi.kernels import image
from ffdi.kernels.closure import PACKAGE, closure
from ffdi.kernels.settings import Setting

OWNER = "OWNER"  # stands for the Kaggle account until a push puts it in
SHORTEST = 5  # characters of a slug
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
KINDS = {
    "infer": "mounted weights and images in, submission.csv out",
    "train": "trains the recipe's members on all GPUs within a deadline, and goes on from an earlier output",
    "blend": "attached outputs of train kernels in, submission.csv out",
}
# A notebook reads these as commands or as borders of cells, wherever they stand.
COMMANDS = re.compile(r"^\s*(?:[%!].*|# ?%%.*|# In\[.*)$", re.MULTILINE)

HEADER = """\
# {name}: {what}.
#
# Made by `ffdi kernels build` from the sources of the kit; edit SETTINGS, and nothing below it.
# Paste it into a cell of a Kaggle notebook, or push it as a script; internet stays off.
# Output: {output}, run.json (which run it was, with what).
# Sources: {count} files, digest {digest}.
# MIT License, Copyright (c) 2026 the ffdi authors.
"""

BOOTSTRAP = '''\
# ======================================================================================================================
# start
# ======================================================================================================================


def start():
    """Write the sources into a folder of this run, put it on the path of this process and its workers, and go."""
    import os
    import sys
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="ffdi-"))
    for name, text in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in [name for name in sys.modules if name.split(".")[0] == "ffdi"]:
        del sys.modules[name]  # of an earlier run of this cell
    sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder) + (os.pathsep + inherited if inherited else "")

    from ffdi.core.code import code_digest
    from ffdi.kernels.start import run

    if code_digest() != DIGEST:
        print("note: the sources below SETTINGS were edited; the digest in run.json is that of the edited ones")
    run(KIND, SETTINGS)


if __name__ == "__main__":  # not in the worker processes, which import this file again
    start()
'''


@dataclass(frozen=True)
class Sources:
    """What a kernel runs, kept for its metadata."""

    competitions: Sequence[str] = ()
    datasets: Sequence[str] = ()
    kernels: Sequence[str] = ()


def write(
    folder: Path, kind: str, name: str, settings: Sequence[Setting], sources: Sources, more: Mapping[str, str]
) -> Path:
    """`<folder>/<name>/<name>.py` and its `kernel-metadata.json`; returns their folder. Errors as `script`."""
    text = script(kind, name, settings, more)
    home = folder / name
    atomic.write_text(home / f"{name}.py", text)
    atomic.write_text(home / "kernel-metadata.json", metadata(name, sources, gpu=kind != "blend"))
    return home


def script(kind: str, name: str, settings: Sequence[Setting], more: Mapping[str, str] | None = None) -> str:
    """The file. `more`: data files beside those of the package, text by path ("ffdi/competitions/mine.toml").

    Raises UserError for a name that Kaggle would change, an import that its image lacks, or a source that cannot stand
    inside the file as it is.
    """
    _check_name(name)
    needed = closure([f"kernels/entry/{kind}.py", "kernels/start.py", "core/code.py"])
    image.check(needed.foreign)
    texts = {path: (PACKAGE.parent / path).read_bytes().decode() for path in needed.files} | dict(more or {})
    made = code(texts)
    header = HEADER.format(
        name=name,
        what=KINDS[kind],
        output="work/ with the runs and, when all are finished, submission.csv"
        if kind == "train"
        else "submission.csv",
        count=len(texts),
        digest=made,
    )
    parts = [header, _settings(settings), f'KIND = "{kind}"\nDIGEST = "{made}"\nSOURCES = {{}}\n', *_literals(texts)]
    text = "\n".join([*parts, "\n" + BOOTSTRAP])
    command = COMMANDS.search(text)
    if command:
        raise UserError(
            f"{name}.py: the line {command[0].strip()[:60]!r} is a command to a notebook; write it otherwise."
        )
    compile(text, f"{name}.py", "exec", dont_inherit=True)
    return text


def code(texts: Mapping[str, str]) -> str:
    """What `base.code.code_digest` finds once these are unpacked."""
    modules = {path.removeprefix("ffdi/"): text for path, text in texts.items() if path.endswith(".py")}
    return digest.of_json({path: digest.of_bytes(text.encode()) for path, text in modules.items()})


def metadata(name: str, sources: Sources, gpu: bool) -> str:
    """`kernel-metadata.json`, every key explicit: Kaggle's default for the internet, for one, is on."""
    value = {
        "id": f"{OWNER}/{name}",
        "title": name,
        "code_file": f"{name}.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": gpu,
        "enable_tpu": False,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4" if gpu else "",
        "keywords": [],
        "competition_sources": list(sources.competitions),
        "dataset_sources": list(sources.datasets),
        "kernel_sources": list(sources.kernels),
        "model_sources": [],
    }
    return json.dumps(value, indent=1) + "\n"


def _settings(settings: Sequence[Setting]) -> str:
    lines = [
        "\n".join([*(f"    # {line}" for line in setting.about), f'    "{setting.name}": {_literal(setting.value)},'])
        for setting in settings
    ]
    return "\n".join(["SETTINGS = {", *lines, "}\n"])


def _literal(value: object) -> str:
    """A value as people write it; text of several lines stays readable."""
    if isinstance(value, str) and "\n" in value:
        return _raw(value, "the recipe")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _literals(texts: Mapping[str, str]) -> list[str]:
    """Statements that fill SOURCES, each under its name; empty files together."""
    empty = sorted(path for path, text in texts.items() if not text)
    full = sorted(path for path, text in texts.items() if text)
    found = [_banner("empty files") + f'SOURCES |= dict.fromkeys({json.dumps(empty, indent=4)}, "")\n']
    return found + [_banner(path) + f'SOURCES["{path}"] = {_raw(texts[path], path)}\n' for path in full]


def _banner(path: str) -> str:
    line = "# " + "=" * 118
    return f"\n{line}\n# {path}\n{line}\n"


def _raw(text: str, what: str) -> str:
    """The text between r''' and ''', byte for byte."""
    if "'''" in text or "\r" in text or text.endswith(("\\", "'")):
        raise UserError(
            f"{what} cannot stand inside a kernel: it holds ''' or a carriage return, or ends with \\ or '."
        )
    return f"r'''{text}'''"


def _check_name(name: str) -> None:
    if not SLUG.fullmatch(name) or len(name) < SHORTEST:
        raise UserError(
            f"A kernel cannot be called {name!r}; use at least {SHORTEST} small letters, digits and single dashes."
        )
