"""Means over examples, in JAX and in TensorFlow."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

PREDICTIONS = np.float32([1.0, 2.0, 6.0])
LABELS = np.float32([0.0, 2.0, 3.0])


@pytest.fixture(params=[jnp.asarray, tf.constant], ids=["JAX", "TensorFlow"])
def arrays(request):
    """The labels of a batch, and what a model made of it."""
    output = tff.learning.models.BatchOutput(
        request.param(np.float32(0.5)), request.param(PREDICTIONS), 3
    )
    return request.param(LABELS), output


METRICS = tff.learning.metrics.create_mean_metric_fns(
    {
        "loss": lambda labels, output: output.loss,
        "error": lambda labels, output: output.predictions - labels,
        "larger": lambda labels, output: output.predictions > labels,
    }
)


def evaluated(arrays, sample_weight=None):
    initialize, update, finalize = METRICS
    state = update(initialize(), *arrays, sample_weight)
    metrics = finalize(update(state, *arrays, sample_weight))
    return {name: pytest.approx(float(value)) for name, value in metrics.items()}


def test_means_over_all_batches(arrays):
    assert evaluated(arrays) == {"loss": 0.5, "error": 4 / 3, "larger": 2 / 3}


def test_weights_of_examples(arrays):
    found = evaluated(arrays, np.float32([1.0, 2.0, 1.0]))
    assert found == {"loss": 0.5, "error": 1.0, "larger": 0.5}


def test_without_examples_they_are_zero():
    initialize, _, finalize = METRICS
    assert finalize(initialize()) == {"loss": 0.0, "error": 0.0, "larger": 0.0}


def test_finalizers_may_be_computations_of_jax():
    finalizers = collections.OrderedDict(mean=tff.jax.computation(lambda sums: sums[0] / sums[1]))
    unfinalized = tff.to_type(collections.OrderedDict(mean=[np.float32, np.float32]))
    aggregate = tff.learning.metrics.sum_then_finalize(finalizers, unfinalized)
    assert aggregate([{"mean": [3.0, 1.0]}, {"mean": [1.0, 3.0]}])["mean"] == 1.0


@pytest.mark.parametrize("value_fns", [3, {"loss": 3}, [len]])
def test_what_is_no_function(value_fns):
    with pytest.raises(errors.ModelError, match="needs functions by name"):
        tff.learning.metrics.create_mean_metric_fns(value_fns)
