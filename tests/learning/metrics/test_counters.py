"""Metrics that count."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tensorflow_federated.core import errors
from tensorflow_federated.learning.metrics import counters

LABELS = np.zeros([4, 1], np.float32)


@pytest.mark.parametrize(
    ("name", "default_name", "expected"),
    [("NumExamplesCounter", "num_examples", 8), ("NumBatchesCounter", "num_batches", 2)],
)
def test_counts(name, default_name, expected):
    counter = getattr(counters, name)()
    assert counter.name == default_name
    for _ in range(2):
        counter.update_state(LABELS, LABELS)
    result = counter.result()
    assert result.dtype.name == "int64"
    assert int(result) == expected


def test_examples_are_counted_by_the_predictions():
    counter = counters.NumExamplesCounter()
    counter.update_state(LABELS, [LABELS[:3], LABELS])
    counter.update_state(LABELS)
    assert int(counter.result()) == 7


def test_counters_are_keras_metrics_that_can_be_rebuilt():
    counter = counters.NumExamplesCounter(name="seen")
    assert isinstance(counter, keras.metrics.Metric)
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(counter))
    assert type(rebuilt) is counters.NumExamplesCounter
    assert rebuilt.name == "seen"


def test_reset():
    counter = counters.NumBatchesCounter()
    counter.update_state(LABELS)
    counter.reset_state()
    assert int(counter.result()) == 0


def test_misspelt_name():
    with pytest.raises(errors.RemovedNameError, match="NumExampleCounter"):
        counters.NumExampleCounter  # noqa: B018


def test_naming_the_module_loads_no_framework(run_python):
    printed = run_python(
        """
        import sys
        from tensorflow_federated.learning.metrics import counters
        print(sorted({"keras", "tensorflow", "jax"} & set(sys.modules)))
        """
    )
    assert printed.strip() == "[]"
