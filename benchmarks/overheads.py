"""What does it cost to start, and to be able to measure?

- `import`: of the package, in new processes, without a tensor framework;
- `span`: what a place in the engine costs that could be measured, while nothing is;
- `call`: the same for a call of a computation;
- `profile`: how much longer a call of a computation takes while `tff.profile` measures, by turns
  with calls that are not measured.

    python benchmarks/overheads.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import timeit

import common
import numpy as np

import tensorflow_federated as tff
from tensorflow_federated.execution import profiling

MOST_MICROSECONDS_OF_SPAN = 0.2
IMPORT = """
import time
start = time.perf_counter()
import tensorflow_federated
print(time.perf_counter() - start)
"""


@tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
def average(values):
    return tff.federated_mean(values)


def import_seconds() -> float:
    """The seconds that the import takes in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def microseconds(statement: str, number: int, repeats: int) -> float:
    """The shortest time of a statement, less that of an empty one."""
    names = {"profiling": profiling, "average": average}

    def shortest(code: str) -> float:
        return min(timeit.repeat(code, globals=names, number=number, repeat=repeats)) / number

    return (shortest(statement) - shortest("pass")) * 1e6


def profile_ratio(turns: int) -> float:
    """A measured call over one that is not, the median of turns."""
    values = [1.0, 2.0, 3.0]
    average(values)
    ratios: list[float] = []
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(20):
            average(values)
        between = time.perf_counter()
        with tff.profile(print=False) as profile:
            for _ in range(20):
                average(values)
        ratios.append(profile.total.seconds / (between - start))
    return statistics.median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repeat; writes no results")
    arguments = parser.parse_args()
    number, repeats = (1000, 2) if arguments.quick else (100_000, 9)
    imports = [import_seconds() for _ in range(1 if arguments.quick else 7)]
    span = microseconds("with profiling.span('data'): pass", number, repeats)
    figures = {
        "import_seconds": imports,
        "median_import_seconds": statistics.median(imports),
        "span_microseconds": span,
        "span_goal_microseconds": MOST_MICROSECONDS_OF_SPAN,
        "span_is_reached": span < MOST_MICROSECONDS_OF_SPAN,
        "call_microseconds": microseconds("with profiling.call(average): pass", number, repeats),
        "profile_ratio": profile_ratio(3 if arguments.quick else 99),
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    if not arguments.quick:
        print(f"Written to {common.write_results('overheads', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
