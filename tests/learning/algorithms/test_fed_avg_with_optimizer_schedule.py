"""Federated averaging with a schedule: any optimizer; the optimum where a constant rate fails."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from tests.learning.algorithms import quadratics

import tensorflow_federated as tff

build_sgdm = tff.learning.optimizers.build_sgdm


class SignDescent(tff.learning.optimizers.Optimizer):
    """An optimizer of a user: no state, no hyperparameters, and more than a factor of the rate."""

    framework = "portable"

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def initialize(self, specs):
        return ()

    def next(self, state, weights, gradients):
        from tensorflow_federated.core import portable, trees

        xp = portable.namespace_of(weights)
        rate = self.learning_rate
        return state, trees.map_structure(
            lambda weight, gradient: (1 - rate * rate) * weight - rate * xp.sign(gradient),
            weights,
            gradients,
        )


def rate_of(number):
    return 0.2 / (number + 1)


def in_numpy(data, rounds, step):
    """Reddi et al. (2021), Algorithm 1, with another step of the clients in each round."""
    weights, found = np.zeros(2), []
    for number in range(rounds):
        models = []
        for batches in data:
            local = weights
            for batch in batches:
                local = step(local, quadratics.gradient(local, batch), rate_of(number))
            models.append(local)
        weights = quadratics.mean(models, data)
        found.append(weights)
    return found


def build(learning_rate_fn=rate_of, optimizer_fn=build_sgdm, **options):
    return tff.learning.algorithms.build_weighted_fed_avg_with_optimizer_schedule(
        quadratics.model(), learning_rate_fn, optimizer_fn, **options
    )


@pytest.mark.parametrize(
    ("optimizer_fn", "step"),
    [
        (build_sgdm, lambda w, g, rate: w - rate * g),
        pytest.param(
            SignDescent,
            lambda w, g, rate: (1 - rate**2) * w - rate * np.sign(g),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["gradient descent", "of a user"],
)
def test_rounds_are_those_of_the_equations(optimizer_fn, step):
    data = quadratics.clients(epochs=2)
    found = quadratics.run(build(optimizer_fn=optimizer_fn), data, 3)
    np.testing.assert_allclose(found, in_numpy(data, 3, step), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_decaying_rate_reaches_the_optimum_where_a_constant_one_stays_away():
    data = quadratics.clients(batch_size=12, epochs=8)
    *_, constant = quadratics.run(build(lambda round_num: 0.1), data, 200)
    *_, decaying = quadratics.run(build(lambda round_num: 0.1 * 0.98**round_num), data, 200)
    assert quadratics.distance(decaying) < 0.1 * quadratics.distance(constant)


@pytest.mark.slow
def test_the_rate_of_a_round_is_measured_and_its_number_kept():
    process = build(jax.jit(rate_of))
    state, metrics = process.next(process.initialize(), quadratics.clients())
    assert metrics["client_work"]["client_learning_rate"] == np.float32(0.2)
    state, metrics = process.next(state, quadratics.clients())
    assert metrics["client_work"]["client_learning_rate"] == np.float32(0.1)
    assert state.client_work == np.int32(2)


@pytest.mark.slow
def test_the_schedule_of_a_jax_model_may_be_a_tf_function():
    import tensorflow as tf

    @tf.function
    def stairs(round_num):
        return 0.2 if round_num < 1 else 0.1

    assert quadratics.run(build(stairs), quadratics.clients(), 2)[1] == pytest.approx(
        quadratics.run(build(rate_of), quadratics.clients(), 2)[1]
    )


def test_what_cannot_be_used_is_told(golden):
    unweighted = tff.aggregators.UnweightedMeanFactory()
    mistakes = {
        "a schedule that is no function": lambda: build(0.1),
        "a schedule of two numbers": lambda: build(lambda round_num: (0.1, 0.2)),
        "an optimizer in place of a function": lambda: build(optimizer_fn=build_sgdm(0.1)),
        "a function of something else": lambda: build(optimizer_fn=lambda rate: "sgd"),
        "no server optimizer": lambda: build(server_optimizer_fn="sgd"),
        "an aggregator of another kind": lambda: build(model_aggregator=unweighted),
    }
    for name, call in mistakes.items():
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        golden.check(name, str(raised.value))


def test_an_optimizer_of_tensorflow_cannot_train_a_model_of_jax(golden):
    class InTensorFlow(SignDescent):
        framework = "tensorflow"

    with pytest.raises(TypeError) as raised:
        build(optimizer_fn=InTensorFlow)
    golden.check("an optimizer of TensorFlow", str(raised.value))
