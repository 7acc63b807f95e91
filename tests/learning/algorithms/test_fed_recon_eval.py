"""The evaluation of models that clients reconstruct a part of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff

build: Any = tff.learning.algorithms.build_fed_recon_eval
Model = tff.learning.models.ReconstructionModel


def model_fn():
    """Predicts ``g x + l x``."""
    shared = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    own = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    inputs = tf.keras.Input([1])
    return Model.from_keras_model_and_layers(
        tf.keras.Model(inputs, tf.keras.layers.Add()([shared(inputs), own(inputs)])),
        global_layers=[shared],
        local_layers=[own],
        input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
    )


@pytest.fixture(scope="module")
def process():
    return build(
        model_fn,
        loss_fn=lambda: tf.keras.losses.MeanSquaredError(),
        metrics_fn=lambda: [tf.keras.metrics.MeanAbsoluteError(name="error")],
        reconstruction_optimizer_fn=tff.learning.optimizers.build_sgdm(0.25),
    )


def client(label: float) -> list[Any]:
    return [(np.ones([1, 1], np.float32), np.full([1, 1], label, np.float32))] * 2


@marks.SLOW_ON_REFERENCE
def test_the_second_half_is_measured_with_what_the_first_gave(process, engine):
    # With g = 2, one step halves what the client's label is off; the other half is left.
    weights = tff.learning.models.ModelWeights([np.full([1, 1], 2.0, np.float32)], [])
    state = process.set_model_weights(process.initialize(), weights)
    first = process.next(state, [client(2.0), client(6.0)])
    second = process.next(first.state, [client(10.0)])
    assert first.metrics["client_work"]["eval"]["current_round_metrics"] == {
        "error": 1.0,
        "loss": 2.0,
    }
    assert second.metrics["client_work"]["eval"] == {
        "current_round_metrics": {"error": 4.0, "loss": 16.0},
        "total_rounds_metrics": {"error": 2.0, "loss": pytest.approx(20 / 3)},
    }
    np.testing.assert_array_equal(process.get_model_weights(second.state).trainable[0], [[2.0]])


def test_the_first_state_counts_nothing(process):
    assert process.initialize().client_work == ((), {"error": [0.0, 0.0], "loss": [0.0, 0.0]})


@pytest.mark.parametrize("name", ["initialize", "next"])
def test_type_signatures(name, process, golden):
    golden.check(name, getattr(process, name).type_signature.compact_representation())


def test_the_aggregation_of_metrics_has_to_be_a_process(golden):
    with pytest.raises(TypeError) as caught:
        build(
            model_fn,
            loss_fn=lambda: tf.keras.losses.MeanSquaredError(),
            metrics_aggregation_process=tff.learning.metrics.sum_then_finalize,
        )
    golden.check("aggregation", f"{type(caught.value).__name__}: {caught.value}")
