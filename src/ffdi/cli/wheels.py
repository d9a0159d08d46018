"""`ffdi kernels wheels`: the wheelhouse that an offline kernel installs from."""

from pathlib import Path

from ffdi.core import console
from ffdi.kernels import wheels


def run(folder: Path, packages: str, python: str, requirements: Path) -> None:
    """Fetch what is missing in `folder`, and show what is there. Names and tags are separated by commas."""
    names = [name.strip() for name in packages.split(",") if name.strip()]
    versions = wheels.pins(requirements, names or wheels.PACKAGES)
    made = wheels.build(folder, versions, [tag.strip() for tag in python.split(",") if tag.strip()])
    rows = [
        [name, f"{size / 2**20:.2f}", "fetched" if name in made.fetched else "there"]
        for name, size in made.sizes.items()
    ]
    console.table(f"wheelhouse {made.folder}", ["wheel", "MiB", ""], rows)
