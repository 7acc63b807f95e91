"""FedProx: the equations of the paper, and less drift than federated averaging."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learning.algorithms import quadratics

import tensorflow_federated as tff

algorithms = tff.learning.algorithms
build_sgdm = tff.learning.optimizers.build_sgdm

LEARNING_RATE, STRENGTH = 0.1, 0.8


def in_numpy(data, rounds, strength=STRENGTH):
    """Li et al. (2020), Algorithm 2, with gradient descent at the clients."""
    weights, found = np.zeros(2), []
    for _ in range(rounds):
        models = []
        for batches in data:
            local = weights
            for batch in batches:
                pull = strength * (local - weights)
                local = local - LEARNING_RATE * (quadratics.gradient(local, batch) + pull)
            models.append(local)
        weights = quadratics.mean(models, data)
        found.append(weights)
    return found


def build(strength=STRENGTH, **options):
    return algorithms.build_weighted_fed_prox(
        quadratics.model(), strength, build_sgdm(LEARNING_RATE), **options
    )


def test_rounds_are_those_of_the_equations():
    data = quadratics.clients(epochs=3)
    np.testing.assert_allclose(
        quadratics.run(build(), data, 3), in_numpy(data, 3), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_without_strength_it_is_federated_averaging():
    data = quadratics.clients(epochs=2)
    averaging = algorithms.build_weighted_fed_avg(quadratics.model(), build_sgdm(LEARNING_RATE))
    found = quadratics.run(build(strength=0.0), data, 2)
    np.testing.assert_array_equal(found, quadratics.run(averaging, data, 2))


@pytest.mark.slow
def test_clients_that_take_many_steps_drift_less_than_in_federated_averaging():
    data = quadratics.clients(batch_size=12, epochs=40)
    [free] = quadratics.run(build(strength=0.0), data[:1], 1)
    [held] = quadratics.run(build(strength=5.0), data[:1], 1)
    assert np.linalg.norm(held) < 0.5 * np.linalg.norm(free)
    *_, averaging = quadratics.run(build(strength=0.0), data, 60)
    *_, proximal = quadratics.run(build(strength=5.0), data, 60)
    assert quadratics.distance(proximal) < 0.4 * quadratics.distance(averaging)


@pytest.mark.parametrize("strength", [np.float32(0.5), 1, 0])
def test_any_number_can_be_the_strength(strength):
    assert build(strength).initialize().client_work == ()


def test_what_cannot_be_used_is_told(golden):
    unweighted = tff.aggregators.UnweightedMeanFactory()
    mistakes = {
        "a negative strength": lambda: build(-1.0),
        "a strength that is no number": lambda: build("strong"),
        "an infinite strength": lambda: build(float("inf")),
        "a flag as strength": lambda: build(True),
        "no client optimizer": lambda: algorithms.build_weighted_fed_prox(
            quadratics.model(), 0.1, "sgd"
        ),
        "no server optimizer": lambda: build(server_optimizer_fn=None),
        "an aggregator of another kind": lambda: build(model_aggregator=unweighted),
        "a weighting of another kind": lambda: build(client_weighting=1.0),
    }
    for name, call in mistakes.items():
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        golden.check(name, str(raised.value))
