"""The rows of other clients, which lie behind the last batch of a client, have no effect on it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

ROWS = [25, 13]


@pytest.fixture(scope="module")
def process():
    @jax.jit
    def predict(weights, x, training):
        del training
        return x @ weights[0]["kernel"]

    def loss(output, label, sample_weight=None):
        losses = jnp.square(output[:, 0] - label)
        if sample_weight is None:
            return jnp.mean(losses)
        return jnp.sum(losses * sample_weight) / jnp.sum(sample_weight)

    model = tff.learning.models.FunctionalModel(
        initial_weights=({"kernel": np.ones((3, 1), np.float32)}, ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        input_spec=(tff.TensorType(np.float32, [None, 3]), tff.TensorType(np.float32, [None])),
    )
    return tff.learning.algorithms.build_weighted_fed_avg(
        model,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(0.1),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    )


def trained(process, client, features):
    clients = tff.simulation.datasets.ClientArrays(
        (features, np.ones(len(features), np.float32)), offsets=np.cumsum([0, *ROWS])
    ).preprocess(tff.simulation.datasets.Preprocessing(batch_size=10))
    state = process.next(process.initialize(), clients.cohort([client])).state
    return process.get_model_weights(state).trainable["kernel"]


@pytest.mark.parametrize("instead", [np.nan, 1e6])
def test_rows_of_the_next_client(process, instead):
    features = np.random.default_rng(0).random((sum(ROWS), 3), dtype=np.float32)
    expected = trained(process, "0", features)
    features[ROWS[0] :] = instead
    np.testing.assert_array_equal(trained(process, "0", features), expected)


def test_the_last_rows_of_all(process):
    features = np.random.default_rng(0).random((sum(ROWS), 3), dtype=np.float32)
    expected = trained(process, "1", features)
    features[: ROWS[0]] = np.nan
    np.testing.assert_array_equal(trained(process, "1", features), expected)
    assert np.isfinite(expected).all()
