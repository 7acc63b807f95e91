"""Does memory grow with the number of rounds?

Runs the tutorial's federated averaging on small data, each round on new datasets of a new cohort,
as a program does that trains for days, and reads the memory of the process every ten rounds. The
figure that counts is the slope after the warm-up, fitted by least squares. Ends with status 1 if
that slope, over all rounds, comes to more than the limit.

    python benchmarks/memory_rounds.py --rounds 300
"""

from __future__ import annotations

import argparse
import collections
import gc
import sys
import time

import common
import numpy as np
import tensorflow as tf

import tensorflow_federated as tff

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


def measure(num_rounds: int, every: int) -> tuple[list[int], list[float]]:
    """Runs the rounds; returns the rounds at which memory was read, and the MiB read there."""
    clients = client_data()
    spec = preprocess(clients.create_tf_dataset_for_client(clients.client_ids[0])).element_spec
    process = build_process(spec)
    state = process.initialize()
    generator = np.random.default_rng(0)
    rounds: list[int] = []
    resident: list[float] = []
    for round_number in range(1, num_rounds + 1):
        cohort = generator.choice(clients.client_ids, CLIENTS_PER_ROUND, replace=False).tolist()
        data = [preprocess(clients.create_tf_dataset_for_client(client)) for client in cohort]
        state = process.next(state, data).state
        if round_number % every == 0:
            # Garbage that the collector has not come to yet is no growth.
            gc.collect()
            rounds.append(round_number)
            resident.append(round(common.resident_mib(), 2))
            print(f"round {round_number:4d}   {resident[-1]:8.1f} MiB", flush=True)
    return rounds, resident


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--every", type=int, default=10, help="rounds between two readings")
    parser.add_argument("--warm-up", type=int, default=50, help="rounds that do not count")
    parser.add_argument("--limit", type=float, default=10.0, help="growth allowed, in MiB")
    arguments = parser.parse_args()
    if arguments.rounds < arguments.warm_up + 2 * arguments.every:
        parser.error("there must be at least two readings after the warm-up")

    started = time.perf_counter()
    rounds, resident = measure(arguments.rounds, arguments.every)
    seconds = time.perf_counter() - started

    counted = [
        (number, mib)
        for number, mib in zip(rounds, resident, strict=True)
        if number > arguments.warm_up
    ]
    slope = float(np.polyfit(*np.transpose(counted), deg=1)[0])
    growth = slope * (counted[-1][0] - counted[0][0])
    path = common.write_results(
        "memory_rounds",
        {
            "clients_per_round": CLIENTS_PER_ROUND,
            "warm_up_rounds": arguments.warm_up,
            "rounds": rounds,
            "resident_mib": resident,
            "kib_a_round": round(slope * 1024, 2),
            "growth_mib": round(growth, 2),
            "limit_mib": arguments.limit,
            "seconds": round(seconds, 1),
        },
    )
    print(
        f"{slope * 1024:.1f} KiB a round after round {arguments.warm_up}, "
        f"{growth:.1f} MiB in all. Written to {path}"
    )
    return int(growth > arguments.limit)


if __name__ == "__main__":
    sys.exit(main())
