"""Blending, checking and sending start in under a second on a laptop without torch: here, that they never import it."""

import subprocess
import sys

HEAVY = {"torch", "timm", "sklearn", "albumentations", "torchvision", "cv2", "numba", "matplotlib", "scipy"}
MODULES = [
    "ffdi.blending.result",
    "ffdi.blending.nested",
    "ffdi.blending.library",
    "ffdi.metrics.auc",
    "ffdi.submission.check",
    "ffdi.submission.folder",
]


def test_importing_brings_nothing_heavy() -> None:
    program = f"import sys, {', '.join(MODULES)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"ffdi", "pandas"} <= set(loaded)
    assert HEAVY & set(loaded) == set()
