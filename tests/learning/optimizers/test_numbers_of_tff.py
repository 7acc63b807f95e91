"""The numbers that TFF 0.87 computes, for the corners that equations do not cover."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

OPTIMIZERS = tff.learning.optimizers


def floats(values):
    return np.array(values, np.float32)


# Weights after five steps of the quadratic of `run_steps`. Source: TFF 0.87.
FIVE_STEPS = {
    "adagrad": (lambda: OPTIMIZERS.build_adagrad(0.1), [2.685724973678589, -1.8730720281600952]),
    "adagrad, options": (
        lambda: OPTIMIZERS.build_adagrad(0.5, initial_preconditioner_value=0.0, epsilon=1e-3),
        [1.6361827850341797, -1.522977590560913],
    ),
    "adam": (lambda: OPTIMIZERS.build_adam(0.1), [2.5022506713867188, -1.7521307468414307]),
    "adam, options": (
        lambda: OPTIMIZERS.build_adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-3),
        [2.5027222633361816, -1.764039158821106],
    ),
    "adamw": (lambda: OPTIMIZERS.build_adamw(0.1), [2.4966893196105957, -1.7505592107772827]),
    "adamw, options": (
        lambda: OPTIMIZERS.build_adamw(0.1, weight_decay=0.01),
        [2.4883646965026855, -1.748198390007019],
    ),
    "rmsprop": (lambda: OPTIMIZERS.build_rmsprop(0.1), [2.0308334827423096, -1.627420425415039]),
    "rmsprop, options": (
        lambda: OPTIMIZERS.build_rmsprop(0.1, decay=0.5, epsilon=1e-2),
        [2.4473655223846436, -1.7304339408874512],
    ),
    "yogi": (lambda: OPTIMIZERS.build_yogi(0.1), [2.5049173831939697, -1.7250885963439941]),
    "yogi, options": (
        lambda: OPTIMIZERS.build_yogi(
            0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-2, initial_preconditioner_value=0.1
        ),
        [2.5430095195770264, -1.9021399021148682],
    ),
    "adafactor": (
        lambda: OPTIMIZERS.build_adafactor(0.1),
        [2.0124850273132324, -1.5911831855773926],
    ),
}


@pytest.mark.parametrize("name", FIVE_STEPS)
def test_five_steps(name, run_steps):
    build, expected = FIVE_STEPS[name]
    np.testing.assert_allclose(run_steps(build(), np.asarray, 5)[-1], expected, rtol=1e-5)


def test_adafactor_of_a_matrix():
    optimizer = OPTIMIZERS.build_adafactor(0.1)
    weights = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    state = optimizer.initialize(weights)
    for _ in range(5):
        state, weights = optimizer.next(state, weights, weights * floats(0.5) - floats(1.0))
    expected = [[2.0007081, 2.0, 2.0247703], [2.6561964, 3.4635432, 4.4347486]]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


# The weights 1 and 2 after steps with the gradients (-, 1), (1, -) and (-, -). Source: TFF 0.87.
MISSING = {
    "adam": (OPTIMIZERS.build_adam, [0.9255868196487427, 1.9000003337860107]),
    "adamw": (OPTIMIZERS.build_adamw, [0.925186812877655, 1.8992003202438354]),
    "adagrad": (OPTIMIZERS.build_adagrad, [0.9046537280082703, 1.904653787612915]),
    "rmsprop": (OPTIMIZERS.build_rmsprop, [0.6837723255157471, 1.683772325515747]),
    "yogi": (OPTIMIZERS.build_yogi, [0.9279025197029114, 1.9031122922897339]),
    "adafactor": (OPTIMIZERS.build_adafactor, [0.8999999761581421, 1.7999999523162842]),
}


@pytest.mark.parametrize("name", MISSING)
def test_gradients_that_are_missing_now_and_then(name):
    build, expected = MISSING[name]
    optimizer, weights = build(0.1), [floats(1.0), floats(2.0)]
    state = optimizer.initialize(weights)
    for gradients in ([None, floats(1.0)], [floats(1.0), None], [None, None]):
        state, weights = optimizer.next(state, weights, gradients)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


# Weights of 1 after three steps with the gradients 0.5 and -2, in float64. Source: TFF 0.87.
DOUBLE = {
    "adam": (OPTIMIZERS.build_adam, [0.700001476414835, 1.2999996074189837]),
    "adamw": (OPTIMIZERS.build_adamw, [0.6989219497757917, 1.2986800933806613]),
    "adagrad": (OPTIMIZERS.build_adagrad, [0.7967022555568514, 1.2265417554870606]),
    "rmsprop": (OPTIMIZERS.build_rmsprop, [0.26226219157746833, 1.7377380927202632]),
    "yogi": (OPTIMIZERS.build_yogi, [0.7141540092223527, 1.2963365526112733]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
@pytest.mark.parametrize("name", DOUBLE)
def test_other_dtypes(name, dtype):
    build, expected = DOUBLE[name]
    optimizer, weights = build(0.1), np.ones([2], dtype)
    state = optimizer.initialize(weights)
    for _ in range(3):
        state, weights = optimizer.next(state, weights, np.array([0.5, -2.0], dtype))
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_adam_steps_weights_of_few_bits():
    # TFF casts beta_2 before it subtracts it from 1, which gives 0 for bfloat16 and weights of
    # -38656 after two steps. Source: float32.
    optimizer, weights = OPTIMIZERS.build_adam(0.1), tf.ones([1], tf.bfloat16)
    state = optimizer.initialize(weights)
    for _ in range(2):
        state, weights = optimizer.next(state, weights, tf.constant([0.5], tf.bfloat16))
    np.testing.assert_allclose(np.asarray(weights, np.float32), [0.8], rtol=1e-2)


def test_adafactor_refuses_complex_weights(golden):
    with pytest.raises(ValueError, match="complex") as raised:
        OPTIMIZERS.build_adafactor(0.1).initialize(np.ones([2], np.complex64))
    golden.check("complex weights", str(raised.value))


MISTAKES = {
    "adam, learning rate": lambda: OPTIMIZERS.build_adam(-1.0),
    "adam, beta_2": lambda: OPTIMIZERS.build_adam(0.1, beta_2=-1.0),
    "adamw, weight decay": lambda: OPTIMIZERS.build_adamw(0.1, weight_decay=-1.0),
    "adagrad, initial value": lambda: OPTIMIZERS.build_adagrad(
        0.1, initial_preconditioner_value=-1.0
    ),
    "rmsprop, decay": lambda: OPTIMIZERS.build_rmsprop(0.1, decay=2.0),
    "yogi, epsilon": lambda: OPTIMIZERS.build_yogi(0.1, epsilon=-1.0),
    "yogi, initial value": lambda: OPTIMIZERS.build_yogi(0.1, initial_preconditioner_value=-1.0),
    "adafactor, learning rate": lambda: OPTIMIZERS.build_adafactor(-0.1),
    "a tensor": lambda: OPTIMIZERS.build_adam(tf.constant(-1.0)),
    "nesterov alone": lambda: OPTIMIZERS.build_sgdm(0.1, nesterov=True),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_tff_refuses_is_refused(name, golden):
    with pytest.raises(ValueError, match="cannot") as raised:
        MISTAKES[name]()
    golden.check(name, str(raised.value))


def test_a_hyperparameter_may_be_a_tensor():
    state = OPTIMIZERS.build_adam(tf.constant(0.5)).initialize(floats([1.0]))
    assert state["learning_rate"] == 0.5


def test_a_hyperparameter_may_be_traced():
    @tff.tensorflow.computation(np.float32)
    def descend(learning_rate):
        optimizer = OPTIMIZERS.build_adam(learning_rate)
        weights = tf.constant([1.0])
        return optimizer.next(optimizer.initialize(weights), weights, tf.constant([2.0]))[1]

    np.testing.assert_allclose(descend(0.25), [0.75], rtol=1e-6)
