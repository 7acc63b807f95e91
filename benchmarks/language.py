"""What does the language itself cost: tracing, compiling, and each call?

Measures, in a fresh process:

- `import`: of `tensorflow_federated`, without and with the TensorFlow that a program needs;
- `scalar calls`: of compiled computations of one number, one back end after the other;
- `programs`: the time to trace a program, to compile it (the first call less a later one), and for
  each call, against its size: maps one after the other at the server and at 10 clients, a structure
  summed over 10 clients, and computations each called inside the next one;
- `federated averaging`: building `build_weighted_fed_avg` for the tutorial's model, and a round.

Ends with status 1 if a scalar call or the first build takes longer than its limit, or a program
cannot be run.

    python benchmarks/language.py
    python benchmarks/language.py --tff-python /path/to/python/with/tff

The second form runs the same programs on TFF too, for comparison.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

NUM_CLIENTS = 10
SIZES = (10, 100, 1000)
NESTED_SIZES = (10, 100, 300)
QUICK_SIZES = (10, 100)
NUM_CALLS = 500
MOST_SECONDS_OF_CALLS = 0.5
# A program that would take longer, judged by the smaller ones, is left out.
MOST_SECONDS_OF_PROGRAM = 100.0
SCALAR_CALL_LIMIT_US = 200.0
BUILD_LIMIT_SECONDS = 1.5

# What runs in the process that measures: the package that it imports may be TFF.


def seconds(work: Callable[[], object]) -> float:
    """How long something takes, once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_calls(fn: Callable[..., object], *arguments: object) -> dict[str, float]:
    """The first call, and the median and the shortest of later ones."""

    def call() -> object:
        return fn(*arguments)

    first = seconds(call)
    warm_up = seconds(call)
    count = max(5, min(NUM_CALLS, int(MOST_SECONDS_OF_CALLS / warm_up)))
    for _ in range(min(20, count)):
        call()
    later = [seconds(call) for _ in range(count)]
    return {
        "first_ms": round(first * 1e3, 2),
        "median_us": round(statistics.median(later) * 1e6, 1),
        "shortest_us": round(min(later) * 1e6, 1),
    }


def scalar_calls(with_jax: bool) -> dict[str, dict[str, float]]:
    """Calls of compiled computations of one number."""
    import numpy as np

    import tensorflow_federated as tff

    server = tff.FederatedType(np.int32, tff.SERVER)
    clients = tff.FederatedType(np.int32, tff.CLIENTS)
    decorators = {"TensorFlow": tff.tensorflow.computation}
    if with_jax:
        decorators["JAX"] = tff.jax.computation

    def mapped_at_server(fn):
        return tff.federated_computation(lambda x: tff.federated_map(fn, x), server)

    def mapped_and_summed(fn):
        return tff.federated_computation(
            lambda x: tff.federated_sum(tff.federated_map(fn, x)), clients
        )

    numbers = list(range(NUM_CLIENTS))
    calls: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    for name, decorator in decorators.items():
        add_one = decorator(lambda x: x + 1, np.int32)
        calls[f"{name}, int32 -> int32"] = add_one, (1,)
        calls[f"{name}, mapped at the server"] = mapped_at_server(add_one), (1,)
        calls[f"{name}, mapped at {NUM_CLIENTS} clients and summed"] = (
            mapped_and_summed(add_one),
            (numbers,),
        )
    total = tff.federated_computation(lambda x: tff.federated_sum(x), clients)
    constant = tff.federated_computation(lambda: tff.federated_value(1, tff.SERVER))
    calls["sum over 1 client"] = total, ([1],)
    calls[f"sum over {NUM_CLIENTS} clients"] = total, (numbers,)
    calls["no argument"] = constant, ()
    return {name: measure_calls(fn, *arguments) for name, (fn, arguments) in calls.items()}


def programs() -> dict[str, Callable[[int], tuple[Any, tuple[Any, ...]]]]:
    """Programs by name: from a size to a computation, and arguments for it."""
    import numpy as np

    import tensorflow_federated as tff

    server = tff.FederatedType(np.float32, tff.SERVER)
    clients = tff.FederatedType(np.float32, tff.CLIENTS)
    add_one = tff.tensorflow.computation(lambda x: x + 1.0, np.float32)
    values = [float(client) for client in range(NUM_CLIENTS)]

    def maps_at_server(size: int) -> tuple[Any, tuple[Any, ...]]:
        @tff.federated_computation(server)
        def program(x):
            for _ in range(size):
                x = tff.federated_map(add_one, x)
            return x

        return program, (1.0,)

    def maps_at_clients(size: int) -> tuple[Any, tuple[Any, ...]]:
        @tff.federated_computation(clients)
        def program(x):
            for _ in range(size):
                x = tff.federated_map(add_one, x)
            return tff.federated_sum(x)

        return program, (values,)

    def sum_of_fields(size: int) -> tuple[Any, tuple[Any, ...]]:
        fields = [(f"field_{number}", np.float32) for number in range(size)]

        @tff.federated_computation(tff.FederatedType(tff.StructType(fields), tff.CLIENTS))
        def program(x):
            return tff.federated_sum(x)

        client = collections.OrderedDict((name, 1.0) for name, _ in fields)
        return program, ([client] * NUM_CLIENTS,)

    def nested_calls(size: int) -> tuple[Any, tuple[Any, ...]]:
        def around(inner):
            return tff.federated_computation(lambda x: inner(x), server)

        program = tff.federated_computation(lambda x: tff.federated_map(add_one, x), server)
        for _ in range(size):
            program = around(program)
        return program, (1.0,)

    return {
        "maps at the server": maps_at_server,
        f"maps at {NUM_CLIENTS} clients": maps_at_clients,
        f"fields summed over {NUM_CLIENTS} clients": sum_of_fields,
        "computations inside one another": nested_calls,
    }


def program_sizes(quick: bool) -> list[dict[str, Any]]:
    """Tracing, compiling and calls of programs, against their size."""
    found: list[dict[str, Any]] = []
    for name, make in programs().items():
        make(2)
        sizes = QUICK_SIZES if quick else NESTED_SIZES if "inside" in name else SIZES
        before = (1, 0.0)
        for size in sizes:
            row: dict[str, Any] = {"program": name, "size": size}
            found.append(row)
            if before[1] * (size / before[0]) > MOST_SECONDS_OF_PROGRAM:
                row["left_out"] = "it would take too long"
                continue
            start = time.perf_counter()
            try:
                program, arguments = make(size)
                row["trace_ms"] = round((time.perf_counter() - start) * 1e3, 2)
                calls = measure_calls(program, *arguments)
            except Exception as error:
                row["left_out"] = type(error).__name__
                continue
            row["compile_ms"] = round(calls["first_ms"] - calls["median_us"] / 1e3, 2)
            row["call_us"] = calls["median_us"]
            before = (size, time.perf_counter() - start)
    return found


def federated_averaging() -> dict[str, float]:
    """Building the tutorial's process, and what its first calls take."""
    import numpy as np
    import tensorflow as tf

    import tensorflow_federated as tff

    input_spec = collections.OrderedDict(
        x=tf.TensorSpec([None, 784], tf.float32), y=tf.TensorSpec([None, 1], tf.int32)
    )

    def model_fn():
        return tff.learning.models.from_keras_model(
            tf.keras.models.Sequential(
                [
                    tf.keras.Input(shape=(784,)),
                    tf.keras.layers.Dense(10, kernel_initializer="zeros"),
                    tf.keras.layers.Softmax(),
                ]
            ),
            input_spec=input_spec,
            loss=tf.keras.losses.SparseCategoricalCrossentropy(),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        )

    def build():
        return tff.learning.algorithms.build_weighted_fed_avg(
            model_fn,
            client_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=0.02),
            server_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=1.0),
        )

    batch = collections.OrderedDict(
        x=np.zeros([20, 784], np.float32), y=np.zeros([20, 1], np.int32)
    )
    clients = [[batch] * 5 for _ in range(NUM_CLIENTS)]
    found = {"first_build": seconds(build), "build": seconds(build)}
    process = build()
    found["initialize"] = seconds(process.initialize)
    state = process.initialize()
    found["first_round"] = seconds(lambda: process.next(state, clients))
    found["round"] = statistics.median(
        seconds(lambda: process.next(state, clients)) for _ in range(10)
    )
    return {name: round(value, 4) for name, value in found.items()}


def measure(quick: bool, with_jax: bool) -> dict[str, Any]:
    """All figures of the package that this process imports."""
    imports: dict[str, float] = {}
    imports["import_seconds"] = round(seconds(lambda: __import__("tensorflow_federated")), 3)
    imports["then_tensorflow_seconds"] = round(seconds(lambda: __import__("tensorflow")), 3)
    averaging = federated_averaging()
    return {
        "version": sys.modules["tensorflow_federated"].__version__,
        "tensorflow_version": sys.modules["tensorflow"].__version__,
        **imports,
        "federated_averaging_seconds": averaging,
        "scalar_calls": scalar_calls(with_jax),
        "programs": program_sizes(quick),
    }


# What runs in the process that was started.


@contextlib.contextmanager
def process_group(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Starts a process; what it has started and left behind ends with it."""
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measured_by(python: str, *options: str) -> dict[str, Any]:
    """The figures of the package that an interpreter has."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **os.environ}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "figures.json"
        command = [python, __file__, "--measure", str(path), *options]
        with process_group(command, environment) as process:
            if process.wait():
                raise SystemExit(f"{python} could not measure.")
        return json.loads(path.read_text())


def print_table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Prints rows below a title, the first one being their headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "   ".join(cells))


def print_figures(figures: dict[str, dict[str, Any]]) -> None:
    """Prints the figures of each package beside one another."""
    packages = list(figures)

    def row(name: str, cell: Callable[[dict[str, Any]], str]) -> tuple[str, ...]:
        return (name, *(cell(figures[package]) for package in packages))

    print_table(
        "Seconds",
        [
            ("", *packages),
            row("import tensorflow_federated", lambda found: f"{found['import_seconds']:.2f}"),
            row("then import tensorflow", lambda found: f"{found['then_tensorflow_seconds']:.2f}"),
            *[
                row(
                    f"federated averaging: {name.replace('_', ' ')}",
                    lambda found, name=name: f"{found['federated_averaging_seconds'][name]:.3f}",
                )
                for name in figures[packages[0]]["federated_averaging_seconds"]
            ],
        ],
    )
    print_table(
        "A call of one number, in microseconds: median (shortest)",
        [
            ("", *packages),
            *[
                row(name, lambda found, name=name: _scalar_cell(found["scalar_calls"].get(name)))
                for name in figures[packages[0]]["scalar_calls"]
            ],
        ],
    )
    for package in packages:
        print_table(
            f"Programs, {package}: milliseconds to trace and to compile, microseconds a call",
            [
                ("", "size", "trace", "compile", "call"),
                *[_program_row(each) for each in figures[package]["programs"]],
            ],
        )


def _scalar_cell(call: dict[str, float] | None) -> str:
    return "-" if call is None else f"{call['median_us']:.0f} ({call['shortest_us']:.0f})"


def _program_row(row: dict[str, Any]) -> tuple[str, ...]:
    if "left_out" in row:
        return (row["program"], str(row["size"]), row["left_out"], "-", "-")
    figures = (f"{row[name]:.1f}" for name in ("trace_ms", "compile_ms", "call_us"))
    return (row["program"], str(row["size"]), *figures)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="small programs only; writes no results"
    )
    parser.add_argument("--tff-python", help="an interpreter that has TFF, to compare with")
    parser.add_argument("--without-jax", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        figures = measure(arguments.quick, with_jax=not arguments.without_jax)
        arguments.measure.write_text(json.dumps(figures))
        return 0

    options = ["--quick"] if arguments.quick else []
    figures = {"this package": measured_by(sys.executable, *options)}
    if arguments.tff_python:
        # The context that TFF starts with runs no computations of JAX.
        figures["TFF"] = measured_by(arguments.tff_python, "--without-jax", *options)
    print_figures(figures)
    if not arguments.quick:
        import common

        path = common.write_results(
            "language",
            {
                "num_clients": NUM_CLIENTS,
                "scalar_call_limit_us": SCALAR_CALL_LIMIT_US,
                "build_limit_seconds": BUILD_LIMIT_SECONDS,
                **figures,
            },
        )
        print(f"\nWritten to {path}")
    own = figures["this package"]
    return int(
        own["federated_averaging_seconds"]["first_build"] > BUILD_LIMIT_SECONDS
        or any("left_out" in row for row in own["programs"])
        or any(
            call["median_us"] > SCALAR_CALL_LIMIT_US
            for name, call in own["scalar_calls"].items()
            if "clients" not in name
        )
    )


if __name__ == "__main__":
    sys.exit(main())
