"""Where the images of a table's rows come from, decoded."""

import os.path
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from ffdi.data.decode import decode


class Source(Protocol):
    def read(self, row: int) -> np.ndarray:
        """uint8 RGB, HWC, not to be written to. Raises Defect or OSError for what cannot be read."""


class Files:
    """The files of a competition folder, decoded at every read. `rows`: relpath; an absolute one is read as it is."""

    def __init__(self, rows: pd.DataFrame, folder: Path) -> None:
        self._folder = str(folder)
        self._relpaths = packed(rows.relpath)

    def read(self, row: int) -> np.ndarray:
        return decode(self.read_bytes(row)).image_HWC

    def read_bytes(self, row: int) -> bytes:
        with open(os.path.join(self._folder, self._relpaths[row].decode()), "rb", buffering=0) as file:
            return file.read()


def packed(names: pd.Series) -> np.ndarray:
    """UTF-8 in one array: half a million Python strings would be copied into every forked worker, touch by touch."""
    return np.array([name.encode() for name in names.tolist()], dtype=np.bytes_)
