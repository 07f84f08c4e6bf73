"""Run benchmarks and render bench/README.md: python -m bench [--small] [names]."""

from __future__ import annotations

import argparse
import time
from importlib import import_module

from bench import report

# in order of importance, should the time not be enough for all
NAMES = ["throughput", "split", "dataset1", "determinism", "sharing", "matmul", "growth", "stage"]
NAMES += ["kills", "faults", "mutations"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument(
        "--small", action="store_true", help="minutes, at sizes that say little; not kept"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"expected names of {', '.join(NAMES)}; got {', '.join(sorted(unknown))}")
    report.kept = not arguments.small
    for name in arguments.names or NAMES:
        start = time.perf_counter()
        import_module(f"bench.{name}").run(arguments.small)
        print(f"({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
