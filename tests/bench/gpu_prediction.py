"""Prediction on the card in front of it: six views, from JPEG files to logits, against a bare forward loop.

The bare loop has one batch on the card, in the same layout and type, and is the better of eager and compiled.
`python -m tests.bench gpu` calls `row` for each net.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import timm
import torch

from ffdi.config.recipe import Member
from ffdi.infer.engine import predict
from ffdi.infer.nets import LoadedNet, Net, weight_cache
from ffdi.model.precision import evaluating

CARD = torch.device("cuda:0")
ROUNDS = 3
SECONDS = 2.0  # of one round of the whole


def row(model: str, size: int, batch: int, rows: pd.DataFrame, folder: Path, workers: int, compiled: bool) -> str:
    """Return one line: views/s of the whole, of the bare loops, and their ratio, median and range of the rounds."""
    net = _net(model, size, batch)
    whole = _whole(net, rows, folder, workers, compiled)
    bare = {"eager": _bare(net.weights, net.member)}
    if compiled:
        bare["compiled"] = _bare(torch.compile(net.weights), net.member)
    found = []
    for _ in range(ROUNDS):
        best = max(_rate(step, 1.0) for step in bare.values())
        found.append((whole(), best))
    ratios = sorted(one / best for one, best in found)
    middle = ROUNDS // 2
    return (
        f"prediction, six views, from JPEG: {model} {size} px b{batch}: {found[middle][0]:,.0f} views/s, "
        f"{ratios[middle]:.3f} of bare ({found[middle][1]:,.0f}; {ratios[0]:.3f}-{ratios[-1]:.3f}, n = {ROUNDS})"
    )


def compile_both(model: str, size: int, batch: int) -> None:
    """Compile the bare loop and the kit's."""
    net = _net(model, size, batch)
    _bare(torch.compile(net.weights), net.member)
    loaded = LoadedNet(net, CARD, compiled=True)
    images_BCHW = torch.randn(batch, 3, size, size, device=CARD).contiguous(memory_format=torch.channels_last)
    with evaluating([net.weights]), weight_cache(CARD):
        loaded.logits(images_BCHW, "identity")


def _net(model: str, size: int, batch: int) -> Net:
    fields = {"name": "bench", "model": model, "weights": "none", "image_size": size, "batch_size": batch}
    member = Member.model_validate({**fields, "tta": ("six",)})
    return Net(member, 0, timm.create_model(model, num_classes=1).to(CARD, memory_format=torch.channels_last).eval())


def _whole(net: Net, rows: pd.DataFrame, folder: Path, workers: int, compiled: bool) -> Callable[[], float]:
    """Return what measures views/s over as many images as last for SECONDS; a first call warms up."""
    few = rows.iloc[: 16 * net.member.batch_size]
    options = {"device": CARD, "workers": workers, "compiled": compiled, "label": "bench"}
    predict(net, few, folder, **options)
    begun = time.perf_counter()
    predict(net, few, folder, **options)
    seconds = time.perf_counter() - begun
    times = max(1, round(SECONDS * len(few) / seconds / len(rows)))
    many = pd.concat([rows] * times, ignore_index=True)

    def measured() -> float:
        begun = time.perf_counter()
        predict(net, many, folder, **options)
        return len(many) * len(net.member.tta) / (time.perf_counter() - begun)

    return measured


def _bare(model: torch.nn.Module, member: Member) -> Callable[[], int]:
    shape = (member.batch_size, 3, member.image_size, member.image_size)
    images_BCHW = torch.randn(shape, device=CARD).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def step() -> int:
        with torch.autocast("cuda", torch.bfloat16):
            for _ in range(8):
                model(images_BCHW)
        return 8 * member.batch_size

    step()
    return step


def _rate(step: Callable[[], int], seconds: float) -> float:
    torch.cuda.synchronize()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += step()
        torch.cuda.synchronize()
    return done / (time.perf_counter() - begun)
