"""Accuracies whose predictions have a dimension too many."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.learning.metrics import class_accuracies

NUM_CLASSES = 7
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, NUM_CLASSES, [4, 5])
PREDICTIONS = RANDOM.normal(size=[4, 5, NUM_CLASSES]).astype(np.float32)
ACCURACY = float(np.mean(PREDICTIONS.argmax(-1) == LABELS))
BATCH = tff.learning.models.BatchOutput(predictions=PREDICTIONS)


class FlattenedCategoricalAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """The metric of the tutorial on text generation."""

    def __init__(self, name="accuracy", dtype=tf.float32):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = tf.reshape(y_true, [-1, 1])
        y_pred = tf.reshape(y_pred, [-1, NUM_CLASSES, 1])
        return super().update_state(y_true, y_pred, sample_weight)


class MendedAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """The same, written for Keras 3."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = tf.reshape(y_pred, [-1, NUM_CLASSES])
        return super().update_state(tf.reshape(y_true, [-1, 1]), y_pred, sample_weight)


@pytest.fixture(autouse=True)
def forget_warnings():
    class_accuracies._TOLD.clear()


def functional_accuracy(metric: Any) -> float:
    initialize, update, finalize = tff.learning.metrics.create_functional_metric_fns(metric)
    return float(finalize(update(initialize(), LABELS, BATCH)))


def test_the_accuracy_of_flattened_predictions_is_right_and_told_once(golden):
    with pytest.warns(class_accuracies.MetricShapeWarning) as told:
        assert functional_accuracy(FlattenedCategoricalAccuracy) == pytest.approx(ACCURACY)
    assert functional_accuracy(FlattenedCategoricalAccuracy) == pytest.approx(ACCURACY)
    golden.check("flattened predictions", "\n".join(str(each.message) for each in told))


def test_keras_itself_takes_the_last_dimension_for_one_class():
    metric = FlattenedCategoricalAccuracy()
    metric.update_state(LABELS, PREDICTIONS)
    assert float(metric.result()) == pytest.approx(float(np.mean(LABELS == 0)))


@pytest.mark.usefixtures("engine")
def test_a_model_of_keras_reports_the_right_accuracy():
    def model_fn():
        keras_model = keras.Sequential(
            [keras.Input([5, NUM_CLASSES]), keras.layers.Activation("linear")]
        )
        return tff.learning.models.from_keras_model(
            keras_model,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            input_spec=(
                tf.TensorSpec([None, 5, NUM_CLASSES], tf.float32),
                tf.TensorSpec([None, 5], tf.int64),
            ),
            metrics=[FlattenedCategoricalAccuracy()],
        )

    dataset = tf.data.Dataset.from_tensor_slices((PREDICTIONS, LABELS)).batch(3)

    def evaluated():
        process = tff.learning.algorithms.build_fed_eval(model_fn)
        return process.next(process.initialize(), [dataset, dataset])

    with pytest.warns(class_accuracies.MetricShapeWarning):
        output = evaluated()
    reported = output.metrics["client_work"]["eval"]["current_round_metrics"]["accuracy"]
    assert float(reported) == pytest.approx(ACCURACY)


ONE_HOT = np.eye(NUM_CLASSES, dtype=np.float32)[LABELS[:, 0]]
BY_CLASS = PREDICTIONS[:, 0]
ROWS: dict[str, tuple[Any, Any, Any]] = {
    "mended": (MendedAccuracy, LABELS, PREDICTIONS),
    "sequences": (keras.metrics.SparseCategoricalAccuracy, LABELS, PREDICTIONS),
    "labels in a column": (keras.metrics.SparseCategoricalAccuracy, LABELS[:, :1], BY_CLASS),
    "one class": (keras.metrics.SparseCategoricalAccuracy, LABELS[:, 0], BY_CLASS[:, :1]),
    "sequences of one class": (
        keras.metrics.SparseCategoricalAccuracy,
        LABELS[:, :1],
        PREDICTIONS[:, :1, :1],
    ),
    "top": (lambda: keras.metrics.SparseTopKCategoricalAccuracy(2), LABELS[:, :1], BY_CLASS),
    "one hot": (keras.metrics.CategoricalAccuracy, ONE_HOT, BY_CLASS),
    "error": (keras.metrics.MeanSquaredError, ONE_HOT, BY_CLASS),
}


@pytest.mark.parametrize(("make", "labels", "predictions"), ROWS.values(), ids=ROWS)
def test_right_metrics_are_left_alone(make, labels, predictions):
    expected, metric = make(), class_accuracies.prepared(make())
    with warnings.catch_warnings():
        warnings.simplefilter("error", class_accuracies.MetricShapeWarning)
        for each in (expected, metric):
            each.update_state(labels, predictions)
    assert float(metric.result()) == float(expected.result())


def test_a_prepared_metric_can_be_copied_and_rebuilt():
    metric = class_accuracies.prepared(keras.metrics.SparseCategoricalAccuracy())
    assert class_accuracies.prepared(metric)._fn is metric._fn
    for each in (copy.deepcopy(metric), type(metric).from_config(metric.get_config())):
        each.update_state(LABELS, PREDICTIONS)
        assert float(each.result()) == pytest.approx(ACCURACY)
