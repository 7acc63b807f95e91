"""Training and evaluation as the generations until 2022 wrote them."""

# The models here are written as users wrote them, and the stubs of TensorFlow are narrow.

from __future__ import annotations

import collections

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is a name of an older generation:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*was given a Keras optimizer:FutureWarning"),
]

SPEC = collections.OrderedDict(x=tf.TensorSpec([None, 2]), y=tf.TensorSpec([None, 1]))


def batch(x, y):
    return collections.OrderedDict(x=np.float32(x), y=np.float32(y))


CLIENTS = [
    [batch([[1, 2], [0, 1]], [[3], [1]]), batch([[2, 2]], [[1]])],
    [batch([[0, 0], [1, 0], [1, 1], [2, 0]], [[1], [1], [0], [1]])],
]


class Counting:
    """What the older models below share: a linear model, and counters."""

    def __init__(self):
        self._kernel = tf.Variable(tf.zeros([2, 1]), name="kernel")
        self._bias = tf.Variable(tf.zeros([1]), name="bias")
        self._num_examples = tf.Variable(0, trainable=False)
        self._loss_sum = tf.Variable(0.0, trainable=False)

    trainable_variables = property(lambda self: [self._kernel, self._bias])
    non_trainable_variables = property(lambda self: [])
    local_variables = property(lambda self: [self._num_examples, self._loss_sum])
    input_spec = property(lambda self: SPEC)

    @tf.function
    def forward_pass(self, batch, training=True):
        predictions = batch["x"] @ self._kernel + self._bias
        loss = tf.reduce_mean((predictions - batch["y"]) ** 2)
        count = tf.shape(predictions)[0]
        self._num_examples.assign_add(count)
        self._loss_sum.assign_add(loss * tf.cast(count, tf.float32))
        return tff.learning.BatchOutput(loss, predictions, count)


@tff.federated_computation
def aggregate(outputs):
    return collections.OrderedDict(
        num_examples=tff.federated_sum(outputs.num_examples),
        loss=tff.federated_mean(outputs.loss, outputs.num_examples),
    )


@pytest.fixture(scope="module")
def older_model():
    """A model that aggregates its own outputs."""
    with pytest.warns(FutureWarning):
        base = tff.learning.TrainableModel

    class Linear(Counting, base):
        @tf.function
        def train_on_batch(self, batch):
            return self.forward_pass(batch)

        @tf.function
        def report_local_outputs(self):
            count = tf.cast(self._num_examples, tf.float32)
            return collections.OrderedDict(num_examples=count, loss=self._loss_sum / count)

        @property
        def federated_output_computation(self):
            return aggregate

    return Linear


def keras_network():
    return tf.keras.Sequential(
        [tf.keras.Input((2,)), tf.keras.layers.Dense(1, kernel_initializer="zeros")]
    )


def keras_model_fn():
    return tff.learning.from_keras_model(keras_network(), tf.keras.losses.MeanSquaredError(), SPEC)


def sgd(rate):
    return lambda: tf.keras.optimizers.SGD(learning_rate=rate)


@pytest.fixture(scope="module")
def today():
    """Two rounds of today's process: the weights, and the metrics of each round."""
    with pytest.warns(FutureWarning):
        process = tff.learning.algorithms.build_weighted_fed_avg(
            keras_model_fn,
            tff.learning.optimizers.build_sgdm(0.1),
            tff.learning.optimizers.build_sgdm(0.5, momentum=0.5),
        )
    state, found = process.initialize(), []
    for _ in range(2):
        state, metrics = process.next(state, CLIENTS)
        found.append(metrics["client_work"]["train"])
    return process.get_model_weights(state).trainable, found


@pytest.mark.parametrize("kind", ["a model of its own outputs", "a Keras model"])
def test_averaging_is_that_of_today_and_returns_a_pair(kind, older_model, today):
    process = tff.learning.build_federated_averaging_process(
        older_model if kind == "a model of its own outputs" else keras_model_fn,
        client_optimizer_fn=sgd(0.1),
        server_optimizer_fn=lambda: tf.keras.optimizers.SGD(0.5, momentum=0.5),
    )
    weights, expected = today
    state = process.initialize()
    for each in expected:
        state, metrics = process.next(state, CLIENTS)
        assert list(metrics) == ["broadcast", "aggregation", "train"]
        np.testing.assert_allclose(metrics["train"]["loss"], each["loss"], rtol=1e-5)
        assert metrics["train"]["num_examples"] == each["num_examples"]
    for found, one in zip(state.model.trainable, weights, strict=True):
        np.testing.assert_allclose(found, one, atol=1e-6)
    assert process.get_model_weights(state) is state.model


def test_types(golden, older_model):
    process = tff.learning.build_federated_averaging_process(older_model, sgd(0.1))
    golden.check("averaging initialize", str(process.initialize.type_signature))
    golden.check("averaging next", str(process.next.type_signature))
    evaluate = tff.learning.build_federated_evaluation(older_model)
    golden.check("evaluation", str(evaluate.type_signature))


def test_sgd_sends_the_gradient_at_the_weights_of_the_server(older_model):
    process = tff.learning.build_federated_sgd_process(older_model, sgd(0.1))
    state, _ = process.next(process.initialize(), CLIENTS)
    batches = [each for client in CLIENTS for each in client]
    x = np.concatenate([each["x"] for each in batches])
    y = np.concatenate([each["y"] for each in batches])
    np.testing.assert_allclose(
        state.model.trainable[0], 0.1 * 2 * x.T @ y / len(x), rtol=1e-5, atol=1e-7
    )


@pytest.mark.slow
def test_clients_count_by_a_function_of_what_they_report(older_model):
    processes = [
        tff.learning.build_federated_averaging_process(older_model, sgd(0.1), **weighting)
        for weighting in (
            {"client_weight_fn": lambda outputs: outputs["num_examples"] * 0.0 + 1.0},
            {"client_weighting": tff.learning.ClientWeighting.UNIFORM},
            {},
        )
    ]
    one, two, other = (
        process.next(process.initialize(), CLIENTS)[0].model.trainable[0] for process in processes
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)


def test_other_aggregations_of_updates_and_metrics():
    process = tff.learning.build_federated_averaging_process(
        keras_model_fn,
        tff.learning.optimizers.build_sgdm(0.1),
        model_update_aggregation_factory=tff.aggregators.UnweightedMeanFactory(),
        metrics_aggregator=tff.learning.metrics.sum_then_finalize,
    )
    state, metrics = process.next(process.initialize(), CLIENTS)
    assert list(metrics["aggregation"]) == ["mean_value", "mean_count"]
    assert state.delta_aggregate_state == ((), ())


def test_evaluation(older_model):
    weights = tff.learning.ModelWeights([np.ones([2, 1], np.float32), np.zeros(1, np.float32)], [])
    expected = ((3 - 3) ** 2 + (1 - 1) ** 2 + (4 - 1) ** 2 + 1 + 0 + 4 + 1) / 7
    metrics = tff.learning.build_federated_evaluation(older_model)(weights, CLIENTS)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-6)
    metrics = tff.learning.build_federated_evaluation(keras_model_fn)(weights, CLIENTS)
    np.testing.assert_allclose(metrics["eval"]["loss"], expected, rtol=1e-6)


def test_new_weights_in_a_state(older_model):
    process = tff.learning.build_federated_averaging_process(older_model, sgd(0.1))
    state = tff.learning.state_with_new_model_weights(
        process.initialize(), [np.ones([2, 1], np.float32), np.zeros(1, np.float32)], []
    )
    _, metrics = process.next(state, CLIENTS[1:])
    np.testing.assert_allclose(metrics["train"]["loss"], (1 + 0 + 4 + 1) / 4, rtol=1e-6)


@pytest.mark.slow
def test_a_model_of_the_second_generation_works_with_every_algorithm():
    class Linear(Counting, tff.learning.Model):
        def report_local_unfinalized_metrics(self):
            return collections.OrderedDict(loss=[self._loss_sum, self._num_examples])

        def metric_finalizers(self):
            return collections.OrderedDict(loss=lambda sums: sums[0] / tf.cast(sums[1], tf.float32))

    older = tff.learning.build_federated_averaging_process(Linear, sgd(0.1))
    process = tff.learning.algorithms.build_weighted_fed_avg(
        Linear, tff.learning.optimizers.build_sgdm(0.1)
    )
    state, metrics = older.next(older.initialize(), CLIENTS)
    output = process.next(process.initialize(), CLIENTS)
    assert metrics["train"] == output.metrics["client_work"]["train"]
    np.testing.assert_array_equal(
        state.model.trainable[0], process.get_model_weights(output.state).trainable[0]
    )


@pytest.mark.parametrize(
    ("name", "build"),
    [
        (
            "a function with a state",
            lambda model: tff.learning.build_federated_averaging_process(
                model, sgd(0.1), stateful_delta_aggregate_fn=sum
            ),
        ),
        (
            "two weightings",
            lambda model: tff.learning.build_federated_averaging_process(
                model, sgd(0.1), client_weight_fn=len, client_weighting=len
            ),
        ),
        (
            "a weighting that is no number",
            lambda model: tff.learning.build_federated_averaging_process(
                model, sgd(0.1), client_weight_fn=lambda outputs: outputs
            ),
        ),
        (
            "no optimizer",
            lambda model: tff.learning.build_federated_averaging_process(model),
        ),
        (
            "an algorithm of today",
            lambda model: tff.learning.algorithms.build_weighted_fed_avg(
                model, tff.learning.optimizers.build_sgdm(0.1)
            ),
        ),
        (
            "weights of another form",
            lambda model: tff.learning.state_with_new_model_weights(
                tff.learning.build_federated_averaging_process(model, sgd(0.1)).initialize(),
                [np.ones([3, 1], np.float32)],
                [],
            ),
        ),
    ],
)
def test_mistakes(golden, older_model, name, build):
    with pytest.raises((TypeError, ValueError)) as caught:
        build(older_model)
    golden.check(name, str(caught.value))
