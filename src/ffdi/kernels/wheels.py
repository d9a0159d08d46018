"""A wheelhouse: a flat folder of wheels for the Pythons of the Kaggle image, which has no network while scoring.

Only wheels: an sdist would be built there, and Kaggle unpacks archives. Never torch: the image's own fits its driver.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffdi.core import atomic, digest
from ffdi.core.errors import UserError

# What the image may lack or have in another version, with what these import beside numpy, opencv and torch.
PACKAGES = ("timm", "albumentations", "albucore", "simplejpeg", "stringzilla", "simsimd")
PYTHONS = ("cp312", "cp313")  # the image of 2026-08 has 3.12; its base moved to 3.13 that month
OWN = re.compile(r"(torch.*|triton|nvidia-.*|cuda-.*)")  # the image's: many GB, and matched to its driver
# glibc of the image's Ubuntu 22.04 is 2.35; pip takes only what is listed.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(35, 16, -1)), "manylinux2014_x86_64")
SUMS = "SHA256SUMS"
UNREACHED = re.compile(r"NewConnectionError|Temporary failure|Connection (refused|reset|aborted)|timed out|ProxyError")
RETRIES = 2
PATIENCE = 900.0  # seconds for the wheels of one Python


@dataclass(frozen=True)
class Wheel:
    """`pythons`: the tags before the ABI, such as cp312 or py3."""

    package: str
    version: str
    pythons: tuple[str, ...]
    abi: str

    def serves(self, package: str, version: str, python: str) -> bool:
        tag_fits = python in self.pythons or "py3" in self.pythons
        older = [int(tag[3:]) for tag in self.pythons if re.fullmatch(r"cp3\d+", tag)]
        stable = self.abi == "abi3" and any(minor <= int(python[3:]) for minor in older)
        return (self.package, self.version) == (normalised(package), version) and (tag_fits or stable)


@dataclass(frozen=True)
class Wheelhouse:
    """`sizes`: bytes by file name. `fetched`: the names that were not there before."""

    folder: Path
    sizes: dict[str, int]
    fetched: tuple[str, ...]


def parse(name: str) -> Wheel | None:
    """What a wheel's file name says; None for another file."""
    parts = name.removesuffix(".whl").split("-")
    if not name.endswith(".whl") or len(parts) not in (5, 6):
        return None
    return Wheel(normalised(parts[0]), parts[1], tuple(parts[-3].split(".")), parts[-2])


def normalised(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(requirements: Path, packages: Sequence[str]) -> dict[str, str]:
    """The exact version of each package, from lines `name==version`. Raises UserError naming what is missing."""
    try:
        lines = requirements.read_text().splitlines()
    except OSError as error:
        raise UserError(f"Cannot read {requirements}: {error.strerror}; name it with --requirements.") from error
    found = [match for line in lines if (match := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line))]
    exact = {normalised(match[1]): match[2] for match in found}
    for package in map(normalised, packages):
        if OWN.fullmatch(package):
            raise UserError(f"{package} is the image's own and is not shipped; leave it out of --packages.")
        if package not in exact:
            raise UserError(f"{requirements} pins no {package}; add a line {package}==VERSION or leave it out.")
    return {package: exact[package] for package in map(normalised, packages)}


def build(folder: Path, versions: Mapping[str, str], pythons: Sequence[str] = PYTHONS) -> Wheelhouse:
    """Bring `folder` to hold a wheel of each package for each Python, and SHA256SUMS; what is there stays.

    Wheels of other packages or versions are removed: the folder is the whole wheelhouse. Raises UserError.
    """
    _check_pythons(pythons)
    atomic.sweep(folder)
    kept, fetched = _kept(folder), []
    for python in pythons:
        names = [name for name, version in versions.items() if not _served(kept, name, version, python)]
        for name in _fetch(folder, {name: versions[name] for name in names}, python) if names else ():
            kept[name] = digest.of_file(folder / name)
            fetched.append(name)
        _write_sums(folder, kept)
    wanted = [(package, version, python) for python in pythons for package, version in versions.items()]
    served = {name: sha for name, sha in kept.items() if any(_wheel(name).serves(*one) for one in wanted)}
    for path in folder.glob("*.whl"):
        if path.name not in served:
            path.unlink()
    _write_sums(folder, served)
    return Wheelhouse(folder, {name: (folder / name).stat().st_size for name in sorted(served)}, tuple(fetched))


def _write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    atomic.write_text(folder / SUMS, "".join(f"{sha}  {name}\n" for name, sha in sorted(sums.items())))


def _check_pythons(pythons: Sequence[str]) -> None:
    for python in pythons:
        if not re.fullmatch(r"cp3\d+", python):
            raise UserError(f"--python {python!r} is no tag of CPython; write cp312 or cp312,cp313.")


def _served(kept: Mapping[str, str], package: str, version: str, python: str) -> bool:
    return any(_wheel(name).serves(package, version, python) for name in kept)


def _wheel(name: str) -> Wheel:
    wheel = parse(name)
    assert wheel is not None  # only wheels are kept
    return wheel


def _kept(folder: Path) -> dict[str, str]:
    """sha256 of the wheels that an earlier call left, by name; those that are not as they were written do not count."""
    sums = folder / SUMS
    lines = [line.split() for line in sums.read_text().splitlines()] if sums.is_file() else []
    known = {parts[1]: parts[0] for parts in lines if len(parts) == 2 and parse(parts[1])}
    return {
        name: sha for name, sha in known.items() if (folder / name).is_file() and digest.of_file(folder / name) == sha
    }


def _fetch(folder: Path, versions: Mapping[str, str], python: str) -> list[str]:
    """Download one wheel of each package; returns their file names."""
    with tempfile.TemporaryDirectory() as room:
        _download(Path(room), [f"{name}=={version}" for name, version in versions.items()], python)
        came = {path.name: digest.of_file(path) for path in sorted(Path(room).iterdir()) if parse(path.name)}
        for package, version in versions.items():
            if not _served(came, package, version, python):
                raise UserError(f"pip brought no {python} wheel of {package}=={version}; try it by hand.")
        for name in came:
            atomic.write_bytes(folder / name, (Path(room) / name).read_bytes())
    return list(came)


def _download(room: Path, wanted: Sequence[str], python: str) -> None:
    """`pip download` without dependencies. Raises UserError in one sentence; pip's own text may name private hosts."""
    tags = [argument for platform in PLATFORMS for argument in ("--platform", platform)]
    target = ["--implementation", "cp", "--python-version", f"3.{python[3:]}", *tags, "--dest", str(room)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", str(RETRIES), "--timeout", "15"]
    rules = ["--only-binary=:all:", "--no-deps", *wanted]
    command = [sys.executable, "-m", "pip", "download", *quiet, *target, *rules]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(_no_network(f"The wheels did not come within {PATIENCE:.0f} s")) from error
    if done.returncode == 0:
        return
    if UNREACHED.search(done.stderr):
        raise UserError(_no_network("The package index cannot be reached"))
    lacking = re.search(r"No matching distribution found for (\S+)", done.stderr)
    if lacking:
        raise UserError(
            f"The index has no wheel of {lacking[1]} for {python} on Linux; pin another version or do without."
        )
    raise UserError(
        f"pip could not download {', '.join(wanted)} for {python} (exit {done.returncode}); try it by hand."
    )


def _no_network(what: str) -> str:
    return f"{what}; run `ffdi kernels wheels` where there is a network and copy the folder here."
