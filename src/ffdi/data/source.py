"""The files of a table's rows, decoded."""

import os.path
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.data.decode import decode


class Files:
    """The files of a competition folder. `rows`: id, relpath; an absolute one is read as it is."""

    def __init__(self, rows: pd.DataFrame, folder: Path) -> None:
        self._folder = str(folder)
        self._relpaths, self._ids = _packed(rows.relpath), _packed(rows.id)

    def id(self, row: int) -> str:
        return self._ids[row].decode()

    def read(self, row: int) -> np.ndarray:
        """Return uint8 RGB, HWC. Raise Defect or OSError for what cannot be read."""
        return decode(self.read_bytes(row)).image_HWC

    def read_bytes(self, row: int) -> bytes:
        with open(os.path.join(self._folder, self._relpaths[row].decode()), "rb", buffering=0) as file:
            return file.read()


def _packed(names: pd.Series) -> np.ndarray:
    """Return UTF-8 in one array: half a million Python strings would be copied into every worker, touch by touch."""
    return np.array([name.encode() for name in names.tolist()], dtype=np.bytes_)
