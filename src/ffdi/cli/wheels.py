"""`ffdi kernels wheels`: fetch wheels of packages that Kaggle's image lacks."""

from pathlib import Path

from ffdi.core import console
from ffdi.kernels import wheels


def run(folder: Path, packages: str, python: str) -> None:
    """Fetch wheels and show them.

    Args:
        folder: Where the wheels go.
        packages: Names, separated by commas; "": what the image lacks.
        python: Tags such as "cp312", separated by commas.
    """
    names = [name.strip() for name in packages.split(",") if name.strip()]
    versions = wheels.pins(names or wheels.PACKAGES)
    sizes = wheels.fetch(folder, versions, [tag.strip() for tag in python.split(",") if tag.strip()])
    rows = [[name, f"{size / 2**20:.2f}"] for name, size in sizes.items()]
    console.table(f"wheels in {folder}", ["wheel", "MiB"], rows)
    console.say(f"next: ffdi kernels pack --wheels {folder}")
