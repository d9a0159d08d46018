"""Before any work: all nodes see the same folders, with locks, and have the same code and packages."""

import fcntl
import os
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ffdi.cluster import session
from ffdi.core import atomic, digest
from ffdi.core.digest import code_digest
from ffdi.core.errors import UserError

PACKAGES = ("torch", "timm")
WAIT_SECONDS = 300  # for all nodes; the first process on a node takes some seconds
LOCK = (
    "has no locks that hold between nodes; use NFS 4, Lustre mounted with flock, or another file system that has them"
)


def check(work: Path, folders: Sequence[Path]) -> None:
    """Compare every node with this process: all must see a token and its lock in `work`, and what lies in `folders`.

    Raise UserError where something is missing or differs; the message says it by node.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    token = work.absolute() / f".cluster-{uuid.uuid4().hex}"
    atomic.write_text(token, token.name)
    found = session.nodes()
    try:
        with token.open("r+") as held:  # NFS locks only what is open for writing
            try:
                fcntl.flock(held, fcntl.LOCK_EX)
            except OSError as error:
                raise UserError(f"The folder {work} {LOCK} ({error.strerror}).") from error
            listed = [str(folder.absolute()) for folder in folders]
            mine = facts(listed)
            remote = ray.remote(num_cpus=0, max_retries=0)(faults)
            asked = [
                remote.options(scheduling_strategy=On(node["NodeID"], soft=False)).remote(
                    os.getcwd(), str(token), listed, mine
                )
                for node in found
            ]
            ready = set(ray.wait(asked, num_returns=len(asked), timeout=WAIT_SECONDS)[0])
            told = [
                f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}) {fault}"
                for node, one in zip(found, asked, strict=True)
                for fault in (_faults(one) if one in ready else ["does not answer"])
            ]
            if told:
                raise UserError(f"The cluster is not ready: {'; '.join(told)}.")
    finally:
        for path in work.glob(f"{token.name}*"):
            path.unlink()


def facts(folders: Sequence[str]) -> dict[str, str]:
    """Return what must be the same everywhere, by name; of a folder that is a digest of what lies at its top."""
    same = {"sources of ffdi": code_digest()[:12], **{name: version(name) for name in PACKAGES}}
    listed = {
        path: digest.of_json(sorted(os.listdir(path)))[:12] if os.path.isdir(path) else "missing" for path in folders
    }
    return same | {f"folder {folder}": top for folder, top in listed.items()}


def faults(cwd: str, token: str, folders: Sequence[str], wanted: dict[str, str]) -> list[str]:
    """Return what is wrong on this node, each fault as the end of a sentence that begins with the node.

    Args:
        cwd: The driver's current folder.
        token: A file that the driver has locked.
        folders: Those that must be here.
        wanted: The driver's `facts`.
    """
    path = Path(token)
    if not os.path.isdir(cwd):
        return [f"does not see the current folder {cwd}; start this in a folder that all nodes see"]
    if not path.exists():
        return [f"does not see the folder {path.parent}; name one that all nodes see with --work"]
    found = [f"has other {name} ({have} there, {wanted[name]} here)" for name, have in facts(folders).items()
             if have != wanted[name]]  # fmt: skip
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found.append(f"sees {path.parent}, which {LOCK}")
    except BlockingIOError:
        pass
    except OSError as error:
        found.append(f"sees {path.parent}, which {LOCK} ({error.strerror})")
    return found


def _faults(reference: Any) -> list[str]:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:  # for example: no module named ffdi
        return [f"cannot run ffdi ({str(error).strip().splitlines()[-1]})"]
