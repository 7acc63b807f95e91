"""What every optimizer does: each row of `registry.py` is tested for all of it."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.learning.optimizers.registry import ROWS

import tensorflow_federated as tff


def floats(values):
    return np.array(values, np.float32)


def as_numpy(x):
    return np.asarray(x)


def as_tensor(x):
    import tensorflow as tf

    return tf.constant(x)


def as_jax(x):
    import jax.numpy as jnp

    return jnp.asarray(x)


def test_it_descends(row, run_steps):
    distances = [
        float(np.linalg.norm(weights - np.linalg.solve([[2.0, 0.3], [0.3, 1.0]], [1.0, -1.0])))
        for weights in run_steps(row.build(), as_numpy, 100)
    ]
    assert distances[-1] < 0.1 * distances[0]


@pytest.mark.parametrize("asarray", [as_tensor, as_jax], ids=["tensorflow", "jax"])
def test_every_framework_gives_the_same_numbers(row, run_steps, asarray):
    np.testing.assert_allclose(
        run_steps(row.build(), asarray, 5), run_steps(row.build(), as_numpy, 5), rtol=1e-5
    )


def test_its_hyperparameters_can_be_read(row):
    state = row.build().initialize(floats([1.0]))
    hparams = row.build().get_hparams(state)
    assert list(hparams.items()) == list(row.hparams.items())


def test_its_hyperparameters_can_be_replaced(row):
    optimizer = row.build()
    state = optimizer.initialize(floats([1.0]))
    halved = collections.OrderedDict((name, value / 2) for name, value in row.hparams.items())
    replaced = optimizer.set_hparams(state, halved)
    assert optimizer.get_hparams(replaced) == halved
    assert list(replaced) == list(state)


def test_an_unknown_hyperparameter_is_refused(row):
    optimizer = row.build()
    state = optimizer.initialize(floats([1.0]))
    with pytest.raises(KeyError, match="no such hyperparameter"):
        optimizer.set_hparams(state, {"temperature": 1.0})


def test_a_learning_rate_of_zero_changes_nothing(row):
    optimizer = row.build()
    weights = floats([1.0, 2.0])
    state = optimizer.initialize(weights)
    key = tff.learning.optimizers.LEARNING_RATE_KEY
    state = optimizer.set_hparams(state, {**optimizer.get_hparams(state), key: 0.0})
    _, stepped = optimizer.next(state, weights, floats([5.0, 5.0]))
    np.testing.assert_array_equal(stepped, weights)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 1, 3)], ids=str)
def test_every_step_is_that_of_the_published_equations(row, shape):
    generator = np.random.default_rng(3)
    start, centre = generator.normal(size=shape), generator.normal(size=shape)

    def gradient(weights, step):
        return weights - centre + np.sin(step)

    optimizer, weights = row.build(), np.asarray(start, np.float32)
    state = optimizer.initialize(weights)
    expected = list(itertools.islice(row.equations(start, gradient), 8))
    for step in range(8):
        slope = np.asarray(gradient(weights.astype(np.float64), step), np.float32)
        state, weights = optimizer.next(state, weights, slope)
        np.testing.assert_allclose(weights, expected[step], rtol=1e-3, atol=1e-4)


def test_the_first_gradient_of_zero_only_decays_weights(row):
    optimizer, weights = row.build(), floats([1.0, 2.0])
    _, stepped = optimizer.next(optimizer.initialize(weights), weights, floats([0.0, 0.0]))
    kept = 1 - row.hparams["learning_rate"] * row.hparams.get("weight_decay", 0.0)
    np.testing.assert_allclose(stepped, kept * weights, rtol=1e-6)


def test_the_state_has_the_type_of_tff(row):
    start = tff.tensorflow.computation(
        lambda: row.build().initialize(tff.TensorType(np.float32, [2, 3]))
    )
    assert str(start.type_signature.result) == row.state


@pytest.mark.parametrize("empty", [[], (), collections.OrderedDict()], ids=str)
def test_models_without_weights_are_stepped(row, empty):
    optimizer = row.build()
    _, stepped = optimizer.next(optimizer.initialize(empty), empty, empty)
    assert stepped == empty


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "[2,3]" in row.state])
def test_a_state_for_other_weights_is_refused(name):
    optimizer = ROWS[name].build()
    state = optimizer.initialize([floats([1.0, 2.0])])
    with pytest.raises(ValueError, match="not one for these weights"):
        optimizer.next(state, [floats([1.0])], [floats([1.0])])


def test_it_takes_indexed_slices(row):
    import tensorflow as tf

    optimizer, weights = row.build(), tf.ones([3, 2])
    slices = tf.IndexedSlices(tf.ones([2, 2]), tf.constant([1, 1]), tf.constant([3, 2]))
    state = optimizer.initialize(weights)
    dense = floats([[0, 0], [2, 2], [0, 0]])
    _, expected = optimizer.next(state, weights, tf.constant(dense))
    np.testing.assert_array_equal(optimizer.next(state, weights, slices)[1], expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_weights_and_state_keep_their_types(row, dtype):
    optimizer = row.build()
    weights = collections.OrderedDict(a=np.ones([2, 3], dtype), b=(np.ones([], dtype),))
    spec = tff.to_type(
        collections.OrderedDict(a=tff.TensorType(dtype, [2, 3]), b=(tff.TensorType(dtype),))
    )
    start = tff.tensorflow.computation(lambda: optimizer.initialize(weights))
    state_type = start.type_signature.result
    step = tff.tensorflow.computation(
        lambda state, weights, gradients: optimizer.next(state, weights, gradients),
        state_type,
        spec,
        spec,
    )
    assert step.type_signature.result == tff.to_type((state_type, spec))


def test_a_weight_without_gradient_stays(row):
    optimizer = row.build()
    weights = [np.float32(1.0), np.float32(2.0)]
    _, stepped = optimizer.next(optimizer.initialize(weights), weights, [None, np.float32(1.0)])
    assert stepped[0] == 1.0
    assert stepped[1] < 2.0


def test_the_containers_of_the_weights_are_kept(row):
    optimizer = row.build()
    weights = collections.OrderedDict(a=floats([1.0]), b=(np.float32(2.0), [np.float32(3.0)]))
    _, stepped = optimizer.next(optimizer.initialize(weights), weights, weights)
    assert isinstance(stepped, collections.OrderedDict)
    assert isinstance(stepped["b"], tuple)
    assert isinstance(stepped["b"][1], list)


@pytest.mark.parametrize(
    "gradients",
    [
        [floats([1.0]), floats([1.0])],
        [floats([1.0, 2.0])],
        [np.array([1.0])],
        floats([1.0]),
    ],
    ids=["more", "another shape", "another dtype", "no structure"],
)
def test_gradients_of_another_form_are_refused(row, gradients):
    optimizer = row.build()
    weights = [floats([1.0])]
    with pytest.raises(ValueError, match="do not match"):
        optimizer.next(optimizer.initialize(weights), weights, gradients)


def test_it_is_traced_by_tensorflow_and_portably_alike(row):
    optimizer = row.build()
    weights_type = tff.to_type([tff.TensorType(np.float32, [2])])
    process: Any = tff.learning.templates.build_apply_optimizer_finalizer(
        optimizer,
        tff.StructWithPythonType(
            [("trainable", weights_type), ("non_trainable", [])],
            tff.learning.models.ModelWeights,
        ),
    )

    def initialize():
        import tensorflow as tf

        return optimizer.initialize([tf.TensorSpec([2], tf.float32)])

    traced = tff.tensorflow.computation(initialize)
    assert process.initialize.type_signature.result.member == traced.type_signature.result
