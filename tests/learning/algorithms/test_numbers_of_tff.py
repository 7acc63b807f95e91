"""Three rounds of the algorithms beyond federated averaging give the numbers of TFF 0.87.

FedProx is compared where its strength is 0: with another one TFF adds ``mu * (w - v)`` to the
gradient, the negative of the paper's term, and drives clients away from the model of the server.
"""

from __future__ import annotations

import collections
import json
import pathlib

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import trees

algorithms, optimizers = tff.learning.algorithms, tff.learning.optimizers

EXPECTED = json.loads((pathlib.Path(__file__).parent / "tff_087_local_steps.json").read_text())
KERNEL = np.linspace(-0.3, 0.5, 9).reshape(3, 3).astype(np.float32)


@pytest.fixture(scope="module")
def data():
    """Clients of 0, 1, 7, 8, 9 and 20 examples, in batches of 4."""
    draw = np.random.default_rng(7)
    centres = draw.standard_normal((3, 3))
    clients = []
    for size in (0, 1, 7, 8, 9, 20):
        y = draw.integers(0, 3, size=(size, 1)).astype(np.int32)
        x = (centres[y[:, 0]] + 0.8 * draw.standard_normal((size, 3))).astype(np.float32)
        clients.append(
            [collections.OrderedDict(x=x[i : i + 4], y=y[i : i + 4]) for i in range(0, size, 4)]
        )
    return clients


def input_spec():
    import tensorflow as tf

    return collections.OrderedDict(x=tf.TensorSpec([None, 3]), y=tf.TensorSpec([None, 1], tf.int32))


def keras_model_fn():
    import keras

    dense = keras.layers.Dense(3, kernel_initializer=lambda shape, dtype=None: KERNEL)
    return tff.learning.models.from_keras_model(
        keras.Sequential([keras.layers.InputLayer(shape=(3,)), dense, keras.layers.Softmax()]),
        input_spec=input_spec(),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )


def functional_model():
    import keras
    import tensorflow as tf

    @tf.function
    def predict(model_weights, x, training):
        del training
        return tf.matmul(x, model_weights[0][0]) + model_weights[0][1]

    @tf.function
    def loss(output, label, sample_weight=None):
        del sample_weight
        labels = tf.reshape(label, [-1])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output))

    return tff.learning.models.FunctionalModel(
        initial_weights=([KERNEL, np.zeros(3, np.float32)], []),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        input_spec=input_spec(),
        metrics_fns=tff.learning.metrics.create_functional_metric_fns(
            lambda: collections.OrderedDict(acc=keras.metrics.SparseCategoricalAccuracy())
        ),
    )


def schedule(round_num):
    import tensorflow as tf

    return 0.5 / tf.cast(round_num + 1, tf.float32)


def sgd(learning_rate=0.1, momentum=None):
    return optimizers.build_sgdm(learning_rate, momentum)


BUILDERS = {
    "FedSGD": algorithms.build_fed_sgd,
    "weighted MimeLite": lambda m: algorithms.build_weighted_mime_lite(m, sgd(0.1, 0.9)),
    "unweighted MimeLite": lambda m: algorithms.build_unweighted_mime_lite(m, sgd(0.1, 0.9)),
    "MimeLite with schedule": lambda m: algorithms.build_mime_lite_with_optimizer_schedule(
        m, schedule, sgd(0.1, 0.9)
    ),
    "MimeLite with Adam": lambda m: algorithms.build_weighted_mime_lite(
        m, optimizers.build_adam(0.1)
    ),
    "MimeLite with server momentum": lambda m: algorithms.build_weighted_mime_lite(
        m, sgd(), sgd(0.7, 0.5)
    ),
    "FedAvg with schedule": lambda m: algorithms.build_weighted_fed_avg_with_optimizer_schedule(
        m, schedule, sgd
    ),
    "FedAvg with schedule of momentum": (
        lambda m: algorithms.build_weighted_fed_avg_with_optimizer_schedule(
            m, schedule, lambda rate: sgd(rate, 0.9), sgd(0.5, 0.9)
        )
    ),
    "FedProx of strength 0": lambda m: algorithms.build_weighted_fed_prox(m, 0.0, sgd()),
}


def flat(structure):
    return np.concatenate([np.ravel(leaf) for leaf in [*trees.leaves(structure), []]])


QUICK = (
    "FedSGD, functional",
    "weighted MimeLite, Keras",
    "FedAvg with schedule, Keras",
    "FedProx of strength 0, Keras",
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in EXPECTED["numbers"]
    ],
)
def test_three_rounds_are_those_of_tff(name, data):
    algorithm, _, kind = name.rpartition(", ")
    process = BUILDERS[algorithm](keras_model_fn if kind == "Keras" else functional_model())
    expected = EXPECTED["numbers"][name]
    state = process.initialize()
    for measured in expected["train"]:
        state, metrics = process.next(state, data)
        np.testing.assert_allclose(flat(metrics["client_work"]), measured, rtol=1e-4)
    for part, found in (
        ("weights", state.global_model_weights),
        ("client_work", state.client_work),
        ("finalizer", state.finalizer),
    ):
        np.testing.assert_allclose(flat(found), expected[part], rtol=1e-3, atol=1e-5)
