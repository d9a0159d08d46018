"""What the tests of a push share: a clock that runs while one sleeps, a pack, a kernel, and what a run leaves."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ffdi.core import checksum
from ffdi.submission import metadata
from ffdi.submission.kernel import Kernel, Pad, Push, push
from ffdi.submission.output import await_output
from ffdi.submission.watch import Watch

CSV = "id,y\na,0.25\nb,0.5\nc,0.75\n"
SCRIPT = 'SETTINGS = {\n    "until": "8h",\n    "run": "",\n}\nprint("hello")\n'


class Clock:
    """`now` moves by what is slept; `events` are called one a sleep, in turn."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.naps: list[float] = []
        self.events: list[Callable[[], None]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps.append(seconds)
        if self.events:
            self.events.pop(0)()

    def watch(self, seconds: float = 3600.0) -> Watch:
        return Watch(self.now + seconds, lambda: self.now, self.sleep)


def make_pack(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """A flat folder with SHA256SUMS, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    files = files or {"a-fold0.safetensors": b"weights of a" * 99, "plan.txt": b"the plan"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sums = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def make_kernel(folder: Path, script: str = SCRIPT, **changes: Any) -> Path:
    """As `ffdi kernels build` leaves it, for the competition "toy"."""
    folder.mkdir(parents=True, exist_ok=True)
    value = {
        "id": f"OWNER/{folder.name}",
        "title": folder.name,
        "code_file": f"{folder.name}.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "competition_sources": ["toy"],
        "dataset_sources": [],
    }
    (folder / f"{folder.name}.py").write_text(script)
    (folder / metadata.KERNEL).write_text(json.dumps({**value, **changes}))
    return folder


def sealed(value: dict[str, Any]) -> bytes:
    return checksum.seal(json.dumps({**value, "seal": checksum.MARK.decode() + checksum.BLANK}).encode())


def results(request: dict[str, Any], **facts: Any) -> dict[str, bytes]:
    """The output of an honest run of a pushed kernel."""
    run = re.search(r'^    "run": "(.*)",$', request["text"], re.MULTILINE)
    assert run is not None
    known = {"kind": "infer", "run": run[1], "submission": hashlib.sha256(CSV.encode()).hexdigest(), "rows": 3}
    return {"run.json": sealed({**known, **facts}), "submission.csv": CSV.encode()}


def follow(pad: Pad, wish: Kernel) -> tuple[Push, Path]:
    """The whole way of a kernel: its push, and the folder of its output."""
    pushed = push(pad, wish)
    return pushed, await_output(pad, wish, pushed)
