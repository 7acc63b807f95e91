"""Does memory grow with the number of rounds?

Runs the tutorial's federated averaging on small data and reads the memory of the process every ten
rounds, each way in a process of its own:

- `arrays`: the same clients each round, as lists of batches;
- `pipelines`: a new cohort each round, and for each client a new `tf.data` pipeline, as a program
  does that trains for days;
- `pipelines alone`: those pipelines built and read by TensorFlow, without a round.

The figure that counts is the slope after the warm-up, fitted by least squares. What `pipelines` has
more than `pipelines alone` is the package's. Ends with status 1 if the slope of `arrays`, or that
difference, comes to more than the limit.

    python benchmarks/memory_rounds.py --rounds 300
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import gc
import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import common
import numpy as np
import tensorflow as tf

import tensorflow_federated as tff

WAYS = ("arrays", "pipelines", "pipelines alone")
NUM_CLIENTS = 50
CLIENTS_PER_ROUND = 10
EXAMPLES_PER_CLIENT = 40
NUM_PIXELS = 784
NUM_EPOCHS = 5
BATCH_SIZE = 20


def client_data() -> tff.simulation.datasets.ClientData:
    """Makes clients with random images of EMNIST's shape."""
    generator = np.random.default_rng(0)
    return tff.simulation.datasets.TestClientData(
        {
            f"client_{number:02}": collections.OrderedDict(
                label=generator.integers(0, 10, EXAMPLES_PER_CLIENT).astype(np.int32),
                pixels=generator.random((EXAMPLES_PER_CLIENT, 28, 28), dtype=np.float32),
            )
            for number in range(NUM_CLIENTS)
        }
    )


def preprocess(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Makes shuffled batches of flat images, as the tutorial does."""

    def flatten(element):
        return collections.OrderedDict(
            x=tf.reshape(element["pixels"], [-1, NUM_PIXELS]),
            y=tf.reshape(element["label"], [-1, 1]),
        )

    shuffled = dataset.repeat(NUM_EPOCHS).shuffle(100, seed=1)
    return shuffled.batch(BATCH_SIZE).map(flatten).prefetch(10)


def build_process(input_spec) -> tff.learning.templates.LearningProcess:
    """Builds the tutorial's training process."""

    def model_fn() -> tff.learning.models.VariableModel:
        return tff.learning.models.from_keras_model(
            tf.keras.models.Sequential(
                [
                    tf.keras.layers.InputLayer(shape=(NUM_PIXELS,)),
                    tf.keras.layers.Dense(10, kernel_initializer="zeros"),
                    tf.keras.layers.Softmax(),
                ]
            ),
            input_spec=input_spec,
            loss=tf.keras.losses.SparseCategoricalCrossentropy(),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        )

    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=0.02),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=1.0),
    )


def rounds_on(way: str) -> Callable[[], object]:
    """Returns what is done in each round."""
    clients = client_data()
    generator = np.random.default_rng(0)

    def pipelines(client_ids: list[str]) -> list[tf.data.Dataset]:
        return [preprocess(clients.create_tf_dataset_for_client(each)) for each in client_ids]

    def new_cohort() -> list[tf.data.Dataset]:
        chosen = generator.choice(clients.client_ids, CLIENTS_PER_ROUND, replace=False)
        return pipelines(chosen.tolist())

    if way == "pipelines alone":
        return lambda: [collections.deque(each.as_numpy_iterator(), 0) for each in new_cohort()]

    first_clients = pipelines(clients.client_ids[:CLIENTS_PER_ROUND])
    process = build_process(first_clients[0].element_spec)
    batches = [list(each.as_numpy_iterator()) for each in first_clients]
    state = process.initialize()

    def train() -> None:
        nonlocal state
        state = process.next(state, batches if way == "arrays" else new_cohort()).state

    return train


def measure(way: str, num_rounds: int, every: int) -> list[tuple[int, float]]:
    """Runs the rounds; returns at which round how many MiB the process held."""
    do_round = rounds_on(way)
    readings: list[tuple[int, float]] = []
    for round_number in range(1, num_rounds + 1):
        do_round()
        if round_number % every == 0:
            # Garbage that the collector has not come to yet is no growth.
            gc.collect()
            readings.append((round_number, round(common.resident_mib(), 2)))
    return readings


def kib_a_round(readings: list[tuple[int, float]], warm_up: int) -> float:
    """Returns the slope after the warm-up."""
    counted = [reading for reading in readings if reading[0] > warm_up]
    return round(float(np.polyfit(*np.transpose(counted), deg=1)[0]) * 1024, 2)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--every", type=int, default=10, help="rounds between two readings")
    parser.add_argument("--warm-up", type=int, default=50, help="rounds that do not count")
    parser.add_argument("--limit", type=float, default=4.0, help="growth allowed, in KiB a round")
    arguments = parser.parse_args()
    if arguments.rounds < arguments.warm_up + 2 * arguments.every:
        parser.error("there must be at least two readings after the warm-up")

    results: dict[str, Any] = {}
    for way in WAYS:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as process:
            readings = process.submit(measure, way, arguments.rounds, arguments.every).result()
        slope = kib_a_round(readings, arguments.warm_up)
        print(f"{way:16}   {readings[-1][1]:7.1f} MiB, {slope:6.2f} KiB a round", flush=True)
        results[way] = {"kib_a_round": slope, "round_and_resident_mib": readings}
    path = common.write_results(
        "memory_rounds",
        {
            "clients_per_round": CLIENTS_PER_ROUND,
            "warm_up_rounds": arguments.warm_up,
            "limit_kib_a_round": arguments.limit,
            **results,
        },
    )
    print(f"Written to {path}")
    slopes = {way: results[way]["kib_a_round"] for way in WAYS}
    own = max(slopes["arrays"], slopes["pipelines"] - slopes["pipelines alone"])
    return int(own > arguments.limit)


if __name__ == "__main__":
    sys.exit(main())
