"""Blending, checking and sending start in under a second on a laptop without torch: here, that they never import it."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "timm", "sklearn", "albumentations", "torchvision", "cv2", "numba", "matplotlib", "pandera", "scipy"}
MODULES = ["ffdi.blend.result", "ffdi.blend.card", "ffdi.submit.check", "ffdi.submit.folder", "ffdi.score.interval"]


@pytest.mark.parametrize("module", MODULES)
def test_importing_brings_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "ffdi" in loaded
    assert HEAVY & set(loaded) == set()
