"""`import ffdi` is light and offers its functions lazily."""

import subprocess
import sys

import ffdi


def test_every_name_is_there_and_importing_loads_nothing() -> None:
    assert all(callable(getattr(ffdi, name)) for name in ffdi.__all__ if name != "__version__")
    code = "import ffdi, sys; assert not {'numpy', 'torch', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
