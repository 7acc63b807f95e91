"""`tff.learning.optimizers.schedule_learning_rate`."""

from __future__ import annotations

import collections

import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

OPTIMIZERS = tff.learning.optimizers
schedule = OPTIMIZERS.schedule_learning_rate


def floats(values):
    return np.array(values, np.float32)


def rates_of(optimizer, num_steps):
    """The learning rate before each step, eagerly."""
    weights = floats([1.0])
    state, rates = optimizer.initialize(weights), []
    for _ in range(num_steps):
        rates.append(float(state["optimizer"]["learning_rate"]))
        state, weights = optimizer.next(state, weights, floats([1.0]))
    return rates


def rates_in_tensorflow(optimizer, num_steps):
    """The learning rate before each step, in computations of TensorFlow."""
    weights_type = tff.TensorType(np.float32, [1])
    start = tff.tensorflow.computation(lambda: optimizer.initialize(tf.TensorSpec([1], tf.float32)))
    step = tff.tensorflow.computation(
        lambda state, weights, gradients: optimizer.next(state, weights, gradients),
        start.type_signature.result,
        weights_type,
        weights_type,
    )
    state, rates = start(), []
    for _ in range(num_steps):
        rates.append(float(state["optimizer"]["learning_rate"]))
        state, _ = step(state, floats([1.0]), floats([1.0]))
    return rates


def with_returns(step):
    if step < 2:
        return 0.1
    return 0.01


STEPWISE = [0.1, 0.1, 0.01, 0.01]
SCHEDULES = {
    "constant": (lambda step: 0.25, [0.25] * 4),
    "arithmetic": (lambda step: 0.1 / (step + 1), [0.1, 0.05, 0.1 / 3, 0.025]),
    "power": (lambda step: 0.5**step, [1.0, 0.5, 0.25, 0.125]),
    "halves": (lambda step: 0.5 ** (step // 2), [1.0, 1.0, 0.5, 0.5]),
    "bits": (lambda step: 0.1 if step & 2 == 0 else 0.01, STEPWISE),
    "tensorflow": (
        lambda step: 0.1 / (tf.cast(step, tf.float32) + 1.0),
        [0.1, 0.05, 0.1 / 3, 0.025],
    ),
    "tensorflow, float64": (lambda step: 0.5 * tf.cast(step, tf.float64), [0.0, 0.5, 1.0, 1.5]),
    "whole numbers": (lambda step: step + 1, [1.0, 2.0, 3.0, 4.0]),
    "cond": (lambda step: tf.cond(step < 2, lambda: 0.1, lambda: 0.01), STEPWISE),
    "if expression": (lambda step: 0.1 if step < 2 else 0.01, STEPWISE),
    "if statement": (with_returns, STEPWISE),
    "keras": (keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01]), STEPWISE),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("run", [rates_of, rates_in_tensorflow], ids=["eager", "computation"])
def test_each_step_has_the_rate_of_its_number(name, run):
    schedule_fn, expected = SCHEDULES[name]
    optimizer = schedule(OPTIMIZERS.build_sgdm(), schedule_fn)
    np.testing.assert_allclose(run(optimizer, 4), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule_fn", "framework"),
    [
        (lambda step: 0.1 / (step + 1), "portable"),
        (lambda step: 0.25, "portable"),
        (lambda step: tf.cast(step, tf.float32), "tensorflow"),
        (lambda step: 0.1 if step < 2 else 0.01, "tensorflow"),
        (lambda step: jnp.where(step < 2, 0.1, 0.01), "jax"),
    ],
    ids=["arithmetic", "constant", "tensorflow", "if", "jax"],
)
def test_the_schedule_says_the_framework(schedule_fn, framework):
    assert schedule(OPTIMIZERS.build_sgdm(), schedule_fn).framework == framework


def test_a_schedule_of_jax_runs_eagerly():
    optimizer = schedule(OPTIMIZERS.build_sgdm(), lambda step: jnp.where(step < 2, 0.1, 0.01))
    np.testing.assert_allclose(rates_of(optimizer, 4), STEPWISE, rtol=1e-6)


def test_the_state_is_that_of_tff():
    # Source: TFF 0.87.
    optimizer = schedule(OPTIMIZERS.build_sgdm(0.1, 0.9), lambda step: 0.1)
    start = tff.tensorflow.computation(lambda: optimizer.initialize(tf.TensorSpec([2], tf.float32)))
    assert str(start.type_signature.result) == (
        "<round_num=int32,optimizer=<learning_rate=float32,momentum=float32,"
        "accumulator=float32[2]>>"
    )


def test_it_has_no_hyperparameters():
    optimizer = schedule(OPTIMIZERS.build_sgdm(), lambda step: 0.1)
    state = optimizer.initialize(floats([1.0]))
    assert optimizer.get_hparams(state) == collections.OrderedDict()
    assert optimizer.set_hparams(state, collections.OrderedDict()) is state


def test_an_optimizer_with_its_rate_elsewhere_is_scheduled():
    optimizer = schedule(OPTIMIZERS.build_adafactor(0.1), lambda step: 0.5)
    state = optimizer.initialize(floats([1.0]))
    assert state["optimizer"]["hparams"]["learning_rate"] == 0.5


class WithoutRate(OPTIMIZERS.Optimizer):
    """An optimizer of the user's own."""

    def initialize(self, specs):
        return {}

    def next(self, state, weights, gradients):
        return state, weights


def fails(step):
    raise RuntimeError(f"there is no rate for {step.dtype}")


MISTAKES = {
    "no optimizer": lambda: schedule(0.1, lambda step: 0.1),
    "no function": lambda: schedule(OPTIMIZERS.build_sgdm(), 0.1),
    "no learning rate": lambda: schedule(WithoutRate(), lambda step: 0.1).initialize([]),
    "no number": lambda: schedule(OPTIMIZERS.build_sgdm(), lambda step: "fast").initialize([]),
    "a vector": lambda: schedule(
        OPTIMIZERS.build_sgdm(), lambda step: np.float32([1, 2])
    ).initialize([]),
    "an error of its own": lambda: schedule(OPTIMIZERS.build_sgdm(), fails).initialize([]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained(name, golden):
    with pytest.raises((TypeError, ValueError, KeyError)) as raised:
        MISTAKES[name]()
    golden.check(name, str(raised.value))
