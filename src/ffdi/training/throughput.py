"""Measure how fast a finished fold predicts here: the figure from which a blend counts minutes of kernel time.

It differs from run to run, so it stands beside `done.json`, which does not.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ffdi.core import checksum
from ffdi.core.layout import FoldFolder


@dataclass
class Throughput:
    """Images predicted, each under all views, and the seconds it took, reading and decoding included."""

    images: int = 0
    seconds: float = 0.0

    @contextmanager
    def over(self, images: int) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.images += images
        self.seconds += time.monotonic() - begun

    def write(self, folder: FoldFolder, device: torch.device) -> None:
        """Write the images per second, unless everything was predicted before."""
        if self.images:
            name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
            rate = self.images / max(self.seconds, 1e-9)
            checksum.write_json(folder.speed, {"images_per_second": rate, "images": self.images, "device": name})
