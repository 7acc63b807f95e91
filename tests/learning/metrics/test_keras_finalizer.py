"""`tff.learning.metrics.create_keras_metric_finalizer`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import tensorflow_federated as tff

create = tff.learning.metrics.create_keras_metric_finalizer


@pytest.mark.parametrize("metric", [keras.metrics.Mean, keras.metrics.Mean()])
def test_it_computes_the_result_of_the_metric(metric):
    finalize = tff.tensorflow.computation(
        lambda total, count: create(metric)([total, count]), np.float32, np.float32
    )
    assert finalize(6.0, 3.0) == 2.0


def test_the_metric_is_not_changed():
    metric: Any = keras.metrics.Mean()
    metric.update_state([1.0, 3.0])
    create(metric)([10.0, 1.0])
    assert float(metric.result()) == 2.0


def test_a_count_of_zero_gives_zero_as_keras_does():
    assert float(create(keras.metrics.Mean)([0.0, 0.0])) == 0.0


@pytest.mark.parametrize("metric", [3, lambda: 3])
def test_what_is_no_metric_is_refused(metric):
    with pytest.raises(TypeError, match="only be made of a Keras metric"):
        create(metric)


def test_values_of_another_number_are_refused():
    with pytest.raises(ValueError, match="expected 2, got 1"):
        create(keras.metrics.Mean)([1.0])
