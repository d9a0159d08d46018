"""`make bench`: every bench in turn, or those named as arguments; only the ratios mean something."""

import importlib
import os
import platform
import sys
import time

BENCHES = ("input", "training", "team", "hashing", "folds", "blend", "search")


def main(names: list[str]) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; load {os.getloadavg()[0]:.1f}")
    for name in names or BENCHES:
        begun = time.monotonic()
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"tests.bench.{name}").main()
        print(f"   ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
