"""The side of a contestant: a process that runs one round whenever it is told to.

A contestant is a module in `peers/` with a function `build(program, population)`, which returns a
function that runs the round of a number and returns once the round is done. It is started as

    python -m peers.<module> '{"model": "softmax", ...}'

with this folder as the working directory, reads one command a line, and answers each by one line of
JSON. What libraries print goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import IO, Any

import workload

DISTRIBUTIONS = (
    "fedjax",
    "jax",
    "keras",
    "numpy",
    "pfl",
    "tensorflow",
    "tensorflow-federated",
    "torch",
)

RunRound = Callable[[int], object]
Build = Callable[[workload.Program, workload.Population], RunRound]


def serve(build: Build, framework: str | None = None) -> None:
    """Answers commands until the input ends.

    Args:
      build: see above.
      framework: a module that is imported before anything else, so that the time that its import
        takes can be told apart.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    program = workload.Program(**json.loads(sys.argv[1]))
    times = [time.perf_counter()]
    population = workload.Population()
    times.append(time.perf_counter())
    if framework is not None:
        importlib.import_module(framework)
    times.append(time.perf_counter())
    run_round = build(program, population)
    times.append(time.perf_counter())
    drawing, importing, building = (after - before for before, after in itertools.pairwise(times))
    _answer(
        answers,
        draw_seconds=drawing,
        import_seconds=importing,
        build_seconds=building,
        versions=versions(),
    )
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "round":
            wall, processor = time.perf_counter(), time.process_time()
            run_round(int(argument))
            _answer(
                answers,
                seconds=time.perf_counter() - wall,
                processor_seconds=time.process_time() - processor,
            )
        elif command == "memory":
            _answer(answers, peak_mib=peak_mib())
        else:
            break
    # Libraries leave threads and processes of their own; none of them is waited for.
    answers.close()
    os._exit(0)


def versions() -> dict[str, str]:
    """The versions of what the contestant runs on."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def peak_mib() -> float:
    """The most memory that this process has had, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _answer(answers: IO[str], **fields: Any) -> None:
    answers.write(json.dumps(fields) + "\n")
    answers.flush()
