"""`make bench`: every bench in turn, or those named as arguments; only the ratios mean something.

A bench that is not part of `make bench` takes the arguments after its name, as `python -m tests.bench recipes SET`.
"""

import importlib
import os
import platform
import sys
import time

BENCHES = ("input", "training", "team", "hashing", "folds", "blend", "search")


def main(names: list[str]) -> None:
    if names and names[0] not in BENCHES:
        importlib.import_module(f"tests.bench.{names[0]}").main(*names[1:])
        return
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; load {os.getloadavg()[0]:.1f}")
    for name in names or BENCHES:
        begun = time.monotonic()
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"tests.bench.{name}").main()
        print(f"   ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
