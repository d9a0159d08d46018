"""`ffdi folds` on a contest's worth of images that do not exist: time, peak memory, what the groups find.

The hashes are made as pictures make them. DCT coefficients are drawn from the normal distribution of the sample's
portraits, so their bits are correlated as those of aligned faces are; part of each picture comes from one of 200
prototypes, so that strangers look alike about as often as portraits do (1 or 2 in a million pairs within 12 of 64 and
72 of 256 bits). A group is one original and up to seven forgeries of it, each moved by a difference drawn like those
of the sample's twins; 1 row in 100 is another row's file again.
"""

import hashlib
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.fft

import ffdi
from ffdi.config.recipe import Folds
from ffdi.core import checksum
from ffdi.core.layout import Workspace
from ffdi.data import folds, hashes, manifest
from ffdi.data.decode import decode
from ffdi.data.groups import CONFIRM, DISTANCE
from ffdi.data.pairs import near_pairs

SAMPLE = Path(ffdi.__file__).parent / "sample"
ROWS = 524_429  # the contest's training set
SPEC = Folds()
PROTOTYPES, COMMON = 200, 0.3  # how many, and the share of the variance that comes from them
_GRID = np.arange(32)
_LOW = np.flatnonzero(((_GRID < 8)[:, None] & (_GRID < 8)).ravel())
_SECOND = np.flatnonzero(np.add.outer(_GRID, 2 * _GRID).ravel() % 4 == 1)
_USED = np.union1d(_LOW, _SECOND)


def synthetic(rows: int = ROWS) -> pd.DataFrame:
    """A manifest of `rows` training rows, with the true group of each in the column `truth`."""
    draw = np.random.default_rng(0)
    truth, original = _structure(rows, draw)
    short, long = _hashes(truth, original, draw)
    sha = np.array([hashlib.sha256(str(row).encode()).hexdigest() for row in range(rows)], object)
    again = draw.choice(rows, (2, rows // 100), replace=False)
    for column in (short, long, truth, original, sha):
        column[again[0]] = column[again[1]]
    names = draw.permutation(rows)
    ids = [hashlib.md5(str(name).encode()).hexdigest() + ".jpg" for name in names]
    columns = {
        "id": ids,
        "split": "train",
        "relpath": [f"phase1/trainset/{name}" for name in ids],
        "target": np.where(original, 0, 1),
        **{name: 512 for name in ("width", "height", "bytes", "mtime_ns")},
        "sha256": sha,
        "phash": short,
        "phash256": hashes.to_hex(long),
        "jpeg_q": 90,
        **{name: 0.0 for name in ("sharpness", "mean_grey", "colourfulness")},
        **{"mode": "RGB", "status": "ok", "defect": ""},
        "truth": truth,
    }
    return pd.DataFrame(columns)


def _structure(rows: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(group, whether it is the original) of each row: 1 to 8 rows a group, 81 % fakes in all."""
    sizes = draw.choice(np.arange(1, 9), rows, p=(0.06, 0.06, 0.08, 0.1, 0.2, 0.2, 0.15, 0.15))
    truth = np.repeat(np.arange(rows), sizes)[:rows]
    return truth, np.concatenate([[True], truth[1:] != truth[:-1]])


def _hashes(truth: np.ndarray, original: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    mean, spread, moved = _portraits()
    prototypes = mean + COMMON**0.5 * draw.normal(size=(PROTOTYPES, len(_USED))) @ spread
    short, long = np.empty(len(truth), np.uint64), np.empty((len(truth), 4), np.uint64)
    for start in range(0, len(truth), 20_000):  # groups cut at the border just become smaller
        rows = slice(start, start + 20_000)
        people, place = np.unique(truth[rows], return_inverse=True)
        faces = prototypes[draw.integers(0, PROTOTYPES, len(people))]
        faces += (1 - COMMON) ** 0.5 * draw.normal(size=(len(people), len(_USED))) @ spread
        edits = draw.normal(size=(len(place), len(_USED))) @ moved
        coefficients = faces[place] + edits * ~original[rows, None]
        short[rows] = _bits(coefficients[:, np.searchsorted(_USED, _LOW)])[:, 0]
        long[rows] = _bits(coefficients[:, np.searchsorted(_USED, _SECOND)])
    return short, long


def _portraits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the coefficients, and roots of the covariances between portraits and between twins."""
    pairs = pd.read_csv(SAMPLE / "truth" / "pairs.csv")
    thumbs = [
        hashes.thumb(decode((SAMPLE / "phase1" / f"{split}set" / name).read_bytes()).image_HWC)
        for name, split in zip(pairs["img_name"], pairs["split"], strict=True)
    ]
    low = scipy.fft.dctn(np.stack(thumbs).astype(float), axes=(1, 2))[:, :32, :32].reshape(len(thumbs), -1)[:, _USED]
    is_original = (pairs["family"] == "original").to_numpy()
    first = pd.Series(np.flatnonzero(is_original), index=pairs["pair"][is_original])
    edits = low[~is_original] - low[first.loc[pairs["pair"][~is_original]].to_numpy()]
    return low[is_original].mean(axis=0), _root(low[is_original]), _root(edits)


def _root(samples: np.ndarray) -> np.ndarray:
    """R with R'R = the covariance, a tenth of it shrunk to its diagonal: there are fewer samples than coefficients."""
    covariance = np.cov(samples.T)
    return np.linalg.cholesky(0.9 * covariance + 0.1 * np.diag(np.diag(covariance))).T


def _bits(coefficients: np.ndarray) -> np.ndarray:
    bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").astype(np.uint64)


def found(truth: np.ndarray, group: np.ndarray) -> str:
    """Recall and precision over pairs of rows, counted from the sizes of the groups."""

    def pairs(*labels: np.ndarray) -> float:
        sizes = np.unique(np.stack(labels), axis=1, return_counts=True)[1].astype(float)
        return float((sizes * (sizes - 1) / 2).sum())

    both, largest = pairs(truth, group), np.bincount(group).max()
    return f"recall {both / pairs(truth):.3f}, precision {both / pairs(group):.3f}, largest group {largest}"


def make(places: Workspace) -> str:
    """Do what `ffdi folds` does with the manifest in `places`; return a line of its time and this process's memory."""
    began = time.perf_counter(), time.process_time()
    made = folds.make(places, SPEC, manifest.read(places), ("train",))
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"ffdi folds, {len(made):,} rows: {wall:.1f} s ({cpu:.1f} CPU s), peak memory {peak:,} MB"


def main() -> None:
    print(f"{DISTANCE} of 64 and {CONFIRM} of 256 bits")
    rows = synthetic()
    truth = rows.pop("truth").to_numpy()
    for distance in (3, 4, 4, 4, 8):
        began = time.perf_counter(), time.process_time()
        count = len(near_pairs(rows["phash"].to_numpy(), distance))
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        print(f"near_pairs at {distance} bits: {wall:.2f} s ({cpu:.2f} CPU s), {count:,} pairs")
    with tempfile.TemporaryDirectory() as folder:
        places = Workspace(Path(folder), Path(folder))
        checksum.write_table(places.manifest, manifest.typed(rows))
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # for its memory
            print(pool.submit(make, places).result())
        made = checksum.read_table(places.folds(SPEC.scheme))
    joined = made.merge(rows.assign(truth=truth)[["id", "truth", "target"]], on="id")
    print(f"groups {joined['group'].nunique():,}: {found(joined['truth'].to_numpy(), joined['group'].to_numpy())}")
    shares = joined.groupby("fold")["target"].agg(["size", "mean"])
    print(f"fold sizes {shares['size'].min():,} to {shares['size'].max():,}")
    print(f"fakes {shares['mean'].min():.4f} to {shares['mean'].max():.4f}")
