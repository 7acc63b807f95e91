"""Metrics of Keras 2, from the package `tf_keras`."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tensorflow_federated as tff
from tensorflow_federated.learning.metrics import counters, legacy_metrics

metrics: Any = tff.learning.metrics
legacy: Any = tf_keras.metrics
BatchOutput: Any = tff.learning.models.BatchOutput

LABELS = np.float32([[1.0], [0.0], [1.0], [0.0]])
PREDICTIONS = np.float32([[0.9], [0.2], [0.4], [0.7]])
CLASSES = np.array([[0], [2], [1], [1]])
SCORES = np.float32([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.5, 0.1], [0.6, 0.3, 0.1]])


class Flattened(legacy.SparseCategoricalAccuracy):
    """A metric that reshapes its predictions, as Keras 2 understands it."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = tf.reshape(y_pred, [-1, 3, 1])
        return super().update_state(tf.reshape(y_true, [-1, 1]), y_pred, sample_weight)


class SumAndMean(legacy.Metric):
    """A metric with a variable and a metric of its own, and a branch."""

    def __init__(self, name="sum_and_mean", **options):
        super().__init__(name=name, **options)
        self.sum = self.add_weight(name="sum", initializer="zeros")
        self.mean = legacy.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.sum.assign_add(tf.reduce_sum(y_pred))
        self.sum.assign(2.0 * self.sum - 0.5)
        self.mean.update_state(y_true)

    def result(self):
        return (self.sum + self.mean.result()) / 2.0


ROWS: dict[str, tuple[Any, Any, Any]] = {
    "error": (legacy.MeanSquaredError, LABELS, PREDICTIONS),
    "root": (legacy.RootMeanSquaredError, LABELS, PREDICTIONS),
    "precision": (legacy.Precision, LABELS, PREDICTIONS),
    "area": (legacy.AUC, LABELS, PREDICTIONS),
    "confusion": (lambda: legacy.MeanIoU(2), LABELS, PREDICTIONS),
    "classes": (legacy.SparseCategoricalAccuracy, CLASSES, SCORES),
    "flattened": (Flattened, CLASSES, SCORES),
    "own": (SumAndMean, LABELS, PREDICTIONS),
    "examples": (counters.of_keras_2()["NumExamplesCounter"], LABELS, PREDICTIONS),
    "batches": (counters.of_keras_2()["NumBatchesCounter"], LABELS, PREDICTIONS),
}


@pytest.mark.parametrize(("make", "labels", "predictions"), ROWS.values(), ids=ROWS)
def test_functions_of_a_metric_give_what_the_metric_gives(make, labels, predictions):
    metric = make()
    for _ in range(2):
        metric.update_state(labels, predictions)
    initialize, update, finalize = metrics.create_functional_metric_fns(make)

    @tff.tensorflow.computation(
        tff.TensorType(labels.dtype.type, [None, 1]),
        tff.TensorType(np.float32, [None, predictions.shape[1]]),
    )
    def evaluate(labels, predictions):
        state = initialize()
        for _ in range(2):
            state = update(state, labels, BatchOutput(predictions=predictions))
        return state, finalize(state)

    state, result = evaluate(labels, predictions)
    assert result == pytest.approx(metric.result().numpy())
    assert evaluate(labels, predictions)[1] == result
    values = [variable.numpy() for variable in metric.variables]
    for found, expected in zip(state, values, strict=True):
        np.testing.assert_allclose(found, expected)
    finalizer = metrics.create_keras_metric_finalizer(make)
    assert float(finalizer([tf.constant(x) for x in values])) == pytest.approx(result)


def test_a_finalizer_of_an_object():
    finalizer = metrics.create_keras_metric_finalizer(legacy.Mean())
    unfinalized_type = tff.to_type(collections.OrderedDict(m=[np.float32, np.float32]))
    aggregate = metrics.sum_then_finalize(collections.OrderedDict(m=finalizer), unfinalized_type)
    assert aggregate([{"m": [1.0, 2.0]}, {"m": [2.0, 2.0]}]) == {"m": 0.75}


@pytest.mark.slow
def test_both_generations_report_the_same_of_many_clients():
    import keras

    @tf.function
    def predict(weights, x, training=True):
        return tf.sigmoid(x * weights[0][0])

    @tf.function
    def loss(output, label, sample_weight=None):
        return tf.reduce_mean((output - label) ** 2)

    random = np.random.default_rng(0)
    clients = [
        tf.data.Dataset.from_tensor_slices(
            (random.normal(size=[size, 1]), random.random([size, 1]).round())
        )
        .map(lambda x, y: (tf.cast(x, tf.float32), tf.cast(y, tf.float32)))
        .batch(3)
        for size in (3, 5, 7, 1)
    ]
    spec = tf.TensorSpec([None, 1], tf.float32)
    found = []
    for module in (legacy, keras.metrics):
        constructors = collections.OrderedDict(error=module.MeanSquaredError, area=module.AUC)
        model = tff.learning.models.FunctionalModel(
            initial_weights=([np.ones([1], np.float32)], []),
            predict_on_batch_fn=predict,
            loss_fn=loss,
            metrics_fns=metrics.create_functional_metric_fns(constructors),
            input_spec=(spec, spec),
        )
        process = tff.learning.algorithms.build_weighted_fed_avg(
            model, tff.learning.optimizers.build_sgdm(0.1)
        )
        output = process.next(process.initialize(), clients)
        found.append(dict(output.metrics["client_work"]["train"]))
    assert found[0] == pytest.approx(found[1])


def test_held_values_are_numbers():
    held = legacy_metrics.HeldValue(tf.constant([4.0]), "total")
    assert (held.name, held.dtype, held.shape) == ("total", tf.float32, (1,))
    computed = [held + 1, 1 - held, held / 8, 2**held, -held, held[0], held.read_value()]
    assert [float(tf.squeeze(x)) for x in computed] == [5.0, -3.0, 0.5, 16.0, -4.0, 4.0, 4.0]
    assert bool(held > 3)
    held.assign_sub([1.0])
    assert tf.reduce_sum(held) == 3.0


@pytest.mark.slow
def test_counters_are_metrics_of_the_generation_that_is_chosen(run_python):
    printed = run_python(
        """
        import os
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        import numpy as np
        import tensorflow as tf
        import tensorflow_federated as tff

        class Twice(tff.learning.metrics.NumExamplesCounter):
            pass

        for make in (tff.learning.metrics.NumBatchesCounter, Twice):
            counter = make()
            assert isinstance(counter, tf.keras.metrics.Metric)
            for _ in range(2):
                counter.update_state(np.zeros([4, 1]), np.zeros([4, 1]))
            print(counter.name, int(counter.result()), counter.result().dtype.name)
        """
    )
    assert printed.splitlines() == ["num_batches 2 int64", "num_examples 8 int64"]
