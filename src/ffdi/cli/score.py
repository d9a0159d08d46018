"""`ffdi score`: print P(fake) of single images, by a packed team."""

from pathlib import Path

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.kernels.mounts import image_names


def run(images: list[Path], pack: Path) -> None:
    from ffdi.kernels.scorer import load_team

    team = load_team(pack)
    team.nets()  # now, so that a fault of the pack is not told of every image
    files = [file for image in images for file in _files(image)]
    rows, faults = [], []
    with console.progress("score", len(files)) as meter:
        for file in files:
            try:
                rows.append([str(file), f"{team.score(file):.6f}"])
            except UserError as error:
                faults.append(str(error))
            meter.advance(1)
    console.table("mean probability over members, folds and views", ["image", "P(fake)"], rows)
    if faults:
        more = f" And {len(faults) - 1:,} more like it." if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}")


def _files(path: Path) -> list[Path]:
    """Return the file itself, or the images of a folder by name."""
    found = [path / name for name in image_names(path)] if path.is_dir() else [path]
    if not found:
        raise UserError(f"There is no image in {path}; name image files, or folders of them.")
    return found
