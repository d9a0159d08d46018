"""How long an infer kernel will take on Kaggle's two T4s: a forecast from operations counted, not a measurement.

NVIDIA's own table gives ResNet-50 v1.5 on one T4 in mixed precision 1,190 images/s at batch 128 (DeepLearningExamples,
PyTorch/Classification/ConvNets/resnet50v1.5/README.md, container 21.03). A network of n times its operations is
taken to be n times as slow. Networks that move much memory for few operations (depthwise convolutions) are slower.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ffdi.kernels.plan import Plan
from ffdi.config.recipe import Member

T4_IMAGES = 1_190  # ResNet-50 at 224 px, a second and GPU
GPUS = 2
CORES = 4  # of the machine with T4 x2
YARDSTICK = Member(name="yardstick", model="resnet50", weights="none", num_classes=1, image_size=224)


@dataclass(frozen=True)
class Forecast:
    """`resnets`: operations an image, all nets and views, in units of one ResNet-50. Minutes for `images`."""

    images: int
    resnets: float
    computing: float
    reading: float

    @property
    def minutes(self) -> float:
        """The two go on side by side."""
        return max(self.computing, self.reading)

    @property
    def sentence(self) -> str:
        return (
            f"Forecast, never tried on a GPU: about {self.minutes:,.1f} minutes on T4 x2 for {self.images:,} images "
            f"({self.resnets:,.2f} times the operations of ResNet-50 an image: {self.computing:,.1f} minutes, at "
            f"{T4_IMAGES:,} images/s a GPU for it, NVIDIA's figure; reading: {self.reading:,.1f} minutes, if its "
            f"{CORES} cores are like one here). Start-up and loading are not in it; expect a factor of two either way."
        )


def forecast(plan: Plan, images: int, read_seconds: float) -> Forecast:
    """`read_seconds`: to decode and resize one image on one core here."""
    from ffdi.infer.nets import flops

    cells = [(one.member, view) for one in plan.members for _ in one.files for view in one.member.tta]
    resnets = sum(flops(member, view) for member, view in cells) / flops(YARDSTICK)
    sizes = {one.member.test_size or one.member.image_size for one in plan.members}
    return Forecast(
        images=images,
        resnets=resnets,
        computing=images * resnets / (T4_IMAGES * GPUS) / 60,
        reading=images * read_seconds * len(sizes) / CORES / 60,
    )


def read_seconds(rows: pd.DataFrame, folder: Path, size: int) -> float:
    """CPU seconds to decode and resize one of `rows` (id, relpath) in this process; unreadable ones count too."""
    from ffdi.data.dataset import loader
    from ffdi.data.images import TestImages
    from ffdi.data.order import in_sequence

    begun = time.process_time()  # other load does not count
    for _ in loader(TestImages(rows, folder, size), in_sequence(len(rows), 16)):
        pass
    return (time.process_time() - begun) / len(rows)
