"""Federated averaging that a user writes in the federated language: here, and in TFF 0.87.

The client's work is one TensorFlow computation that takes the data set and goes through it with
`for batch in dataset`, as in TFF's tutorial on algorithms of one's own.
"""

from __future__ import annotations

from typing import Any

import contestant
import numpy as np
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import tensorflow as tf

    import tensorflow_federated as tff

    # The names of the decorator have changed; this one both have.
    computation = tff.tensorflow.computation
    batch = tff.types.to_type([(np.float32, [None, *workload.IMAGE]), (np.int32, [None])])
    weights = tff.types.to_type(
        [
            (np.float32, [workload.NUM_PIXELS, workload.NUM_LABELS]),
            (np.float32, [workload.NUM_LABELS]),
        ]
    )

    @tf.function
    def trained(dataset: Any, kernel: Any, bias: Any) -> Any:
        for images, labels in dataset:
            with tf.GradientTape() as tape:
                tape.watch([kernel, bias])
                logits = tf.reshape(images, [-1, workload.NUM_PIXELS]) @ kernel + bias
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            gradients: Any = tape.gradient(loss, [kernel, bias])
            kernel -= workload.LEARNING_RATE * gradients[0]
            bias -= workload.LEARNING_RATE * gradients[1]
        return kernel, bias

    @computation(tff.SequenceType(batch), weights)
    def train(dataset: Any, start: Any) -> Any:
        return trained(dataset, *start)

    @tff.federated_computation(
        tff.FederatedType(weights, tff.SERVER),
        tff.FederatedType(tff.SequenceType(batch), tff.CLIENTS),
    )
    def next_round(server_weights: Any, datasets: Any) -> Any:
        sent = tff.federated_broadcast(server_weights)
        return tff.federated_mean(tff.federated_map(train, (datasets, sent)))

    def dataset(client: int) -> Any:
        rows = population.rows(client)
        examples = population.images[rows], population.labels[rows]
        return tf.data.Dataset.from_tensor_slices(examples).batch(workload.BATCH_SIZE)

    made = {int(client): dataset(client) for client in workload.cohort(program, 0)}
    state: Any = [
        np.zeros([workload.NUM_PIXELS, workload.NUM_LABELS], np.float32),
        np.zeros([workload.NUM_LABELS], np.float32),
    ]

    def run_round(round_number: int) -> None:
        nonlocal state
        state = next_round(
            state, [made[int(each)] for each in workload.cohort(program, round_number)]
        )

    return run_round


if __name__ == "__main__":
    contestant.serve(build, framework="tensorflow")
