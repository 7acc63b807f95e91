"""Does anything grow with the number of rounds?

Trains for many rounds, in each of which a new cohort of 80 to 120 clients takes part, with data
sets that are made for it. After every few rounds it reads the memory of the process that is in RAM,
the number of its threads, of its open files, and of the objects of Python that live. Each way is
measured in a process of its own:

- `JAX`: a JAX model, on lists of batches;
- `Keras`: a Keras model, on lists of batches;
- `client data`: the Keras model, on datasets of a `ClientData`, prepared as in the tutorial;
- `pipelines`: the Keras model, on pipelines of `tf.data`, prepared so too;
- `pipelines alone`: these are made and thrown away, without training.

The figure that counts is the slope of the memory after the warm-up, fitted by least squares.
TensorFlow keeps something of every operation of a pipeline: from the slope of `pipelines`, that of
`pipelines alone` is taken off, both of the memory that `malloc` has given out, for the pages that a
process has come and go by more than the difference. Ends with status 1 if a slope comes to more
than the limit, or a number of threads or files has grown.

    python benchmarks/memory_rounds.py --rounds 2000
"""

from __future__ import annotations

import argparse
import concurrent.futures
import gc
import json
import multiprocessing
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import common
import numpy as np
import workload

WAYS = ("JAX", "Keras", "client data", "pipelines", "pipelines alone")
SMALLEST_COHORT = 80
LARGEST_COHORT = 120
NUM_FEATURES = 64
NUM_EXAMPLES = 40
NUM_CLIENTS = 1000
READINGS = ("resident_mib", "allocated_mib", "threads", "files", "objects")


class Rows:
    """New clients in every round, each with a few rows of one store."""

    def __init__(self) -> None:
        """Draws the store."""
        self._generator = np.random.default_rng(0)
        shape = (100 * NUM_EXAMPLES, NUM_FEATURES)
        self._features = self._generator.random(shape, dtype=np.float32)
        labels = self._generator.integers(0, workload.NUM_LABELS, shape[0])
        self._labels = labels.astype(np.int32)

    def cohort_size(self) -> int:
        """How many clients a round has."""
        return int(self._generator.integers(SMALLEST_COHORT, LARGEST_COHORT + 1))

    def clients(self, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The arrays of so many new clients."""
        starts = self._generator.integers(0, len(self._labels) - NUM_EXAMPLES, number)
        counts = self._generator.integers(1, NUM_EXAMPLES + 1, number)
        rows = [slice(start, start + count) for start, count in zip(starts, counts, strict=True)]
        return [(self._features[each], self._labels[each]) for each in rows]

    def cohort(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The arrays of the clients of one round."""
        return self.clients(self.cohort_size())


def cohorts_of(way: str) -> Callable[[], Sequence[Any]]:
    """Returns what makes the data of the clients of the next round."""
    rows = Rows()
    if way in ("JAX", "Keras"):
        return lambda: [batches(*each) for each in rows.cohort()]
    if way == "client data":
        return client_data_cohorts(rows)
    return lambda: [pipeline(*each) for each in rows.cohort()]


def rounds_on(way: str) -> Callable[[], object]:
    """Returns what is done in each round."""
    cohort = cohorts_of(way)
    if way == "pipelines alone":
        return cohort
    process = jax_process() if way == "JAX" else keras_process()
    state = process.initialize()

    def train() -> None:
        nonlocal state
        state = process.next(state, cohort()).state

    return train


def batches(features: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The data of a client as a list of batches."""
    starts = range(0, len(labels), workload.BATCH_SIZE)
    rows = [slice(start, start + workload.BATCH_SIZE) for start in starts]
    return [(features[each], labels[each]) for each in rows]


def pipeline(features: np.ndarray, labels: np.ndarray) -> Any:
    """The data of a client as a pipeline of TensorFlow."""
    import tensorflow as tf

    return prepared(tf.data.Dataset.from_tensor_slices((features, labels)))


def prepared(dataset: Any) -> Any:
    """What the tutorial does with a dataset."""
    return dataset.repeat(2).shuffle(100, seed=1).batch(workload.BATCH_SIZE).prefetch(10)


def client_data_cohorts(rows: Rows) -> Callable[[], Sequence[Any]]:
    """Makes datasets of other clients of one `ClientData` in each round."""
    import tensorflow_federated as tff

    clients = {
        str(number): {"features": features, "labels": labels}
        for number, (features, labels) in enumerate(rows.clients(NUM_CLIENTS))
    }
    client_data = tff.simulation.datasets.TestClientData(clients)
    chosen = np.random.default_rng(1)

    def cohort() -> Sequence[Any]:
        ids = chosen.choice(client_data.client_ids, rows.cohort_size(), replace=False)
        datasets = [client_data.create_tf_dataset_for_client(str(each)) for each in ids]
        return [
            prepared(each).map(lambda batch: (batch["features"], batch["labels"]))
            for each in datasets
        ]

    return cohort


def jax_process() -> Any:
    """Federated averaging of a JAX model."""
    import jax
    import jax.numpy as jnp

    import tensorflow_federated as tff

    @jax.jit
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        del training
        return x @ model_weights[0]

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        log_probabilities = jax.nn.log_softmax(output)
        losses = -jnp.take_along_axis(log_probabilities, label[:, None], axis=1)[:, 0]
        if sample_weight is None:
            return jnp.mean(losses)
        return jnp.sum(losses * sample_weight) / jnp.sum(sample_weight)

    model = tff.learning.models.FunctionalModel(
        initial_weights=(np.zeros((NUM_FEATURES, workload.NUM_LABELS), np.float32), ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        input_spec=(
            tff.TensorType(np.float32, [None, NUM_FEATURES]),
            tff.TensorType(np.int32, [None]),
        ),
    )
    return federated_averaging(model)


def keras_process() -> Any:
    """Federated averaging of a Keras model."""
    import tensorflow as tf

    import tensorflow_federated as tff

    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            tf.keras.Sequential(
                [
                    tf.keras.layers.InputLayer(shape=(NUM_FEATURES,)),
                    tf.keras.layers.Dense(workload.NUM_LABELS, kernel_initializer="zeros"),
                ]
            ),
            input_spec=(
                tf.TensorSpec([None, NUM_FEATURES], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ),
            loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
        )

    return federated_averaging(model_fn)


def federated_averaging(model: Any) -> Any:
    """Federated averaging, whatever the model is."""
    import tensorflow_federated as tff

    return tff.learning.algorithms.build_weighted_fed_avg(
        model,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(workload.LEARNING_RATE),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    )


def reading() -> dict[str, float]:
    """What there is in this process now; garbage that waits for the collector is none."""
    gc.collect()
    # A list of all objects would take megabytes itself, and may leave them to this process.
    gc.freeze()
    num_objects = gc.get_freeze_count()
    gc.unfreeze()
    tasks = pathlib.Path("/proc/self/task")
    files = pathlib.Path("/proc/self/fd")
    return {
        "resident_mib": round(common.resident_mib(), 3),
        "allocated_mib": round(common.allocated_mib(), 5),
        "threads": len(list(tasks.iterdir())) if tasks.exists() else threading.active_count(),
        "files": len(os.listdir(files)) if files.exists() else 0,
        "objects": num_objects,
    }


def measure(way: str, num_rounds: int, every: int) -> list[dict[str, float]]:
    """Runs the rounds; returns what there was after every few."""
    do_round = rounds_on(way)
    readings: list[dict[str, float]] = []
    for round_number in range(1, num_rounds + 1):
        do_round()
        if round_number % every == 0:
            readings.append({"round": round_number, **reading()})
    return readings


def growth(readings: list[dict[str, float]], warm_up: int, name: str) -> float:
    """By how much something grows with a round, after the warm-up."""
    counted = [(each["round"], each[name]) for each in readings if each["round"] > warm_up]
    return float(np.polyfit(*np.transpose(counted), deg=1)[0])


def has_grown(readings: list[dict[str, float]], warm_up: int, name: str) -> bool:
    """Whether there is more in the last quarter than there ever was in the first."""
    counted = [each[name] for each in readings if each["round"] > warm_up]
    quarter = max(len(counted) // 4, 1)
    return min(counted[-quarter:]) > max(counted[:quarter])


def in_new_process(way: str, num_rounds: int, every: int) -> list[dict[str, float]]:
    """The readings of a process of its own."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(measure, way, num_rounds, every).result()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--every", type=int, help="rounds between two readings")
    parser.add_argument("--warm-up", type=int, help="rounds that do not count")
    parser.add_argument("--limit", type=float, default=1000, help="growth allowed, bytes a round")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="others keep their results"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds; writes no results")
    arguments = parser.parse_args()
    rounds = 60 if arguments.quick else arguments.rounds
    every = arguments.every or max(rounds // 100, 2)
    warm_up = rounds // 4 if arguments.warm_up is None else arguments.warm_up
    if rounds < warm_up + 2 * every:
        parser.error("there must be at least two readings after the warm-up")
    results = common.RESULTS / "memory_rounds.json"
    if set(arguments.ways) != set(WAYS) and not arguments.quick and not results.exists():
        parser.error("the first time all ways are to be measured")

    measured: dict[str, dict[str, Any]] = {}
    for way in arguments.ways:
        measured[way] = measured_in_new_process(way, rounds, every, warm_up)
        print(f"{way:16} {report_of(measured[way])}", flush=True)
    if arguments.quick:
        return 0
    if set(arguments.ways) != set(WAYS):
        before = json.loads(results.read_text(encoding="utf-8"))
        measured = {way: measured.get(way) or before["ways"][way] for way in WAYS}
    own = own_bytes(measured)
    is_reached = all(growth <= arguments.limit for growth in own.values()) and not any(
        found["has_grown"] for found in measured.values()
    )
    figures = {
        "cohorts": [SMALLEST_COHORT, LARGEST_COHORT],
        "limit_bytes_a_round": arguments.limit,
        "own_bytes_a_round": own,
        "is_reached": is_reached,
        "ways": measured,
    }
    print(f"Written to {common.write_results('memory_rounds', figures)}")
    return int(not is_reached)


def measured_in_new_process(way: str, rounds: int, every: int, warm_up: int) -> dict[str, Any]:
    """What was read of one way, and what follows from it."""
    readings = in_new_process(way, rounds, every)
    slopes = {name: growth(readings, warm_up, name) for name in READINGS}
    return {
        "rounds": rounds,
        "warm_up_rounds": warm_up,
        "bytes_a_round": round(slopes.pop("resident_mib") * 2**20),
        "allocated_bytes_a_round": round(slopes.pop("allocated_mib") * 2**20),
        "growth_a_round": {name: round(slope, 5) for name, slope in slopes.items()},
        "has_grown": [name for name in ("threads", "files") if has_grown(readings, warm_up, name)],
        "readings": readings,
    }


def report_of(found: dict[str, Any]) -> str:
    """What was found of one way, for a terminal."""
    last = found["readings"][-1]
    return (
        f"{last['resident_mib']:8.1f} MiB, {found['bytes_a_round']:6} bytes a round "
        f"({found['allocated_bytes_a_round']} allocated); "
        f"{last['threads']:.0f} threads, {last['files']:.0f} files, "
        f"{found['growth_a_round']['objects']:.3f} objects a round"
    )


def own_bytes(measured: dict[str, dict[str, Any]]) -> dict[str, int]:
    """By how many bytes this package grows with a round, on each way."""
    grown = {way: found["bytes_a_round"] for way, found in measured.items()}
    del grown["pipelines alone"]
    with_training, without = (
        measured[way]["allocated_bytes_a_round"] for way in ("pipelines", "pipelines alone")
    )
    return {**grown, "pipelines": with_training - without}


if __name__ == "__main__":
    sys.exit(main())
