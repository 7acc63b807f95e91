"""`tff.learning.templates.build_model_delta_client_work`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

build = tff.learning.templates.build_model_delta_client_work
build_sgdm = tff.learning.optimizers.build_sgdm
ClientWeighting = tff.learning.ClientWeighting


def floats(values):
    return np.array(values, np.float32)


SPEC = (tf.TensorSpec([None, 1], tf.float32), tf.TensorSpec([None, 1], tf.float32))
FEATURES = floats([[1.0], [2.0]])


def model_fn():
    layers = [
        keras.layers.InputLayer(shape=(1,)),
        keras.layers.Dense(1, kernel_initializer="zeros"),
    ]
    return tff.learning.models.from_keras_model(
        keras.Sequential(layers), keras.losses.MeanSquaredError(), input_spec=SPEC
    )


@pytest.fixture(scope="module")
def process():
    return build(model_fn, build_sgdm(0.1), ClientWeighting.NUM_EXAMPLES)


@pytest.fixture(scope="module")
def zero_weights():
    return tff.learning.models.ModelWeights(
        [np.zeros([1, 1], np.float32), np.zeros([1], np.float32)], []
    )


def dataset(features):
    return tf.data.Dataset.from_tensor_slices((features, features)).batch(1)


def test_a_client_sends_initial_minus_final(process, zero_weights):
    # Source: TFF 0.87.
    output = process.next(process.initialize(), [zero_weights] * 2, [dataset(FEATURES)] * 2)
    for result in output.result:
        assert isinstance(result, tff.learning.templates.ClientResult)
        np.testing.assert_allclose(result.update[0], [[-0.76]], rtol=1e-6)
        np.testing.assert_allclose(result.update[1], [-0.48], rtol=1e-6)
        assert result.update_weight == 2.0
    train = output.measurements["train"]
    assert train["loss"] == pytest.approx(1.48)
    assert (train["num_examples"], train["num_batches"]) == (4, 4)


def test_the_learning_rate_comes_from_the_state(process, zero_weights):
    state = process.set_hparams(process.initialize(), {"learning_rate": 0.0})
    assert process.get_hparams(state) == {"learning_rate": 0.0}
    output = process.next(state, [zero_weights], [dataset(FEATURES)])
    assert output.state == {"learning_rate": 0.0}
    np.testing.assert_array_equal(output.result[0].update[0], [[0.0]])


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [(ClientWeighting.NUM_EXAMPLES, [0.0, 2.0, 0.0]), (ClientWeighting.UNIFORM, [1.0, 1.0, 0.0])],
)
def test_clients_are_weighted(weighting, expected, zero_weights):
    process = build(model_fn, build_sgdm(0.1), weighting)
    data = [dataset(FEATURES[:0]), dataset(FEATURES), dataset(np.inf * FEATURES)]
    output = process.next(process.initialize(), [zero_weights] * 3, data)
    assert [float(result.update_weight) for result in output.result] == expected


def test_a_delta_that_is_not_finite_becomes_zero_and_reports_nothing(process, zero_weights):
    data = [dataset(FEATURES), dataset(np.nan * FEATURES)]
    output = process.next(process.initialize(), [zero_weights] * 2, data)
    np.testing.assert_array_equal(output.result[1].update[0], [[0.0]])
    assert output.measurements["train"]["num_examples"] == 2
    assert output.measurements["train"]["loss"] == pytest.approx(1.48)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a model", lambda: (model_fn(), build_sgdm(), ClientWeighting.UNIFORM)),
        ("no optimizer", lambda: (model_fn, 3, ClientWeighting.UNIFORM)),
        ("no weighting", lambda: (model_fn, build_sgdm(), 3)),
        ("no aggregator", lambda: (model_fn, build_sgdm(), ClientWeighting.UNIFORM, 3)),
    ],
)
def test_arguments_of_another_kind_are_refused(name, arguments, golden):
    with pytest.raises(TypeError) as raised:
        build(*arguments())
    golden.check(name, str(raised.value))
