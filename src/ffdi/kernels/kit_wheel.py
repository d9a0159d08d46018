"""The wheel of this kit, with the same bytes on every machine: sorted names, one timestamp, no compression."""

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass

from ffdi.core import digest
from ffdi.core.digest import PACKAGE

VERSION = "0.2.0"  # of pyproject.toml; the wheel adds the digest of its sources
SUFFIXES = (".py", ".toml", ".j2")
LEFT_OUT = {"sample", "__pycache__"}
WHEEL = "Wheel-Version: 1.0\nGenerator: ffdi\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# Without dependencies: Kaggle's image has its own, and the kernel checks that none is missing.
METADATA = "Metadata-Version: 2.1\nName: ffdi\nVersion: {version}\nRequires-Python: >=3.11\nLicense: MIT\n"


@dataclass(frozen=True)
class KitWheel:
    """File name, such as "ffdi-0.2.0+g1f2e3d4c5b6a-py3-none-any.whl", and content of a wheel."""

    name: str
    data: bytes


def build() -> KitWheel:
    """Return the wheel of the package that is running, without its sample images."""
    files = {path: (PACKAGE.parent / path).read_bytes() for path in _sources()}
    sources = digest.of_json({path: digest.of_bytes(data) for path, data in files.items()})
    version = f"{VERSION}+g{sources[:12]}"
    info = f"ffdi-{version}.dist-info"
    files[f"{info}/METADATA"] = METADATA.format(version=version).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    return KitWheel(f"ffdi-{version}-py3-none-any.whl", _zipped(files))


def _sources() -> list[str]:
    """Return the paths below the folder of the package, with "/", sorted."""
    found = [path for path in PACKAGE.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    inside = [path for path in found if not LEFT_OUT & set(path.relative_to(PACKAGE).parts)]
    return sorted(path.relative_to(PACKAGE.parent).as_posix() for path in inside if not path.name.startswith("."))


def _record(files: dict[str, bytes], own: str) -> str:
    lines = []
    for name, data in files.items():
        sha = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={sha},{len(data)}\n")
    return "".join(lines) + f"{own},,\n"


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # another zlib would compress to other bytes
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # dated 1980-01-01
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
