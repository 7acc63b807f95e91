"""What somebody writes by hand for a Keras model on TensorFlow: one graph, a thread for each core.

The clients' batches are slices of two tensors, one after the other in a schedule; the loop has the
model's weights as its variables.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import contestant
import numpy as np
import workload

CORES = os.cpu_count() or 1


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import tensorflow as tf

    from peers import keras_program

    tf.config.threading.set_intra_op_parallelism_threads(1)
    model = keras_program.keras_model(program, tf.TensorSpec([None, *workload.IMAGE]))
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels = tf.constant(population.images), tf.constant(population.labels)
    weights: list[Any] = [tf.constant(each.numpy()) for each in model.trainable_variables]
    number = len(weights)

    def train(batches: Any, ends: Any, *start: Any) -> Any:
        def step(position: Any, *carried: Any) -> Any:
            now, total = list(carried[:number]), list(carried[number:])
            rows = batches[position]
            x, y = images[rows[0] : rows[1]], labels[rows[0] : rows[1]]
            with tf.GradientTape() as tape:
                tape.watch(now)
                logits, _ = model.stateless_call(now, [], x, training=True)
                value = loss(y, logits)
            gradients: Any = tape.gradient(value, now)
            now = [
                old - workload.LEARNING_RATE * change
                for old, change in zip(now, gradients, strict=True)
            ]

            def finish() -> list[Any]:
                weight = ends[position]
                parts = zip(total, now, start, strict=True)
                return [*start, *(sum_ + weight * (new - old) for sum_, new, old in parts)]

            return position + 1, *tf.cond(ends[position] > 0, finish, lambda: now + total)

        zeros = [tf.zeros_like(each) for each in start]
        trained = tf.while_loop(
            lambda position, *carried: position < tf.shape(batches)[0],
            step,
            (0, *start, *zeros),
            parallel_iterations=1,
        )
        return trained[1 + number :]

    train = tf.function(
        train,
        input_signature=[
            tf.TensorSpec([None, 2], tf.int32),
            tf.TensorSpec([None], tf.float32),
            *(tf.TensorSpec(each.shape) for each in weights),
        ],
    )

    def run_round(round_number: int) -> None:
        nonlocal weights
        clients = workload.cohort(program, round_number)
        parts = workload.shares(clients, CORES)
        sums: list[Any] = [None] * len(parts)

        def work(position: int) -> None:
            batches, ends = _schedule(population, parts[position])
            sums[position] = [each.numpy() for each in train(batches, ends, *weights)]

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(parts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        examples = np.float32(workload.client_sizes()[clients].sum())
        weights = [
            tf.constant(old + sum(each) / examples)
            for old, *each in zip(weights, *sums, strict=True)
        ]

    return run_round


def _schedule(
    population: workload.Population, clients: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last row of each batch, and a client's examples at its end."""
    batches: list[tuple[int, int]] = []
    ends: list[float] = []
    for client in clients.tolist():
        rows = population.rows(client)
        for start in range(rows.start, rows.stop, workload.BATCH_SIZE):
            batches.append((start, min(start + workload.BATCH_SIZE, rows.stop)))
            ends.append(0.0)
        ends[-1] = float(rows.stop - rows.start)
    return np.array(batches, np.int32), np.array(ends, np.float32)


if __name__ == "__main__":
    contestant.serve(build, framework="tensorflow")
