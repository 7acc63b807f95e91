"""FedSGD: gradient descent on all examples, wherever they are."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learning.algorithms import quadratics

import tensorflow_federated as tff

build_sgdm = tff.learning.optimizers.build_sgdm


def in_numpy(rounds, learning_rate):
    """McMahan et al. (2017), section 2: a step against the gradient of all examples."""
    x, y = np.concatenate(quadratics.FEATURES), np.concatenate(quadratics.LABELS)
    weights, found = np.zeros(2), []
    for _ in range(rounds):
        weights = weights - learning_rate * quadratics.gradient(weights, (x, y[:, None]))
        found.append(weights)
    return found


def build(learning_rate=0.3, **options):
    optimizer = build_sgdm(learning_rate)
    return tff.learning.algorithms.build_fed_sgd(quadratics.model(), optimizer, **options)


@pytest.mark.parametrize("batch_size", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_rounds_are_those_of_gradient_descent_on_all_examples(batch_size):
    data = quadratics.clients(batch_size=batch_size)
    np.testing.assert_allclose(
        quadratics.run(build(), data, 3), in_numpy(3, 0.3), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_it_reaches_the_optimum():
    *_, last = quadratics.run(build(0.5), quadratics.clients(), 200)
    assert quadratics.distance(last) < 1e-4


@pytest.mark.slow
def test_the_server_may_have_another_optimizer():
    process = tff.learning.algorithms.build_fed_sgd(quadratics.model(), build_sgdm(0.1, 0.9))
    *_, last = quadratics.run(process, quadratics.clients(), 200)
    assert quadratics.distance(last) < 1e-3


def test_what_cannot_be_used_is_told(golden):
    unweighted = tff.aggregators.UnweightedMeanFactory()
    mistakes = {
        "no server optimizer": lambda: tff.learning.algorithms.build_fed_sgd(
            quadratics.model(), "sgd"
        ),
        "an aggregator of another kind": lambda: build(model_aggregator=unweighted),
        "no distributor": lambda: build(model_distributor="broadcast"),
        "no metrics aggregator": lambda: build(metrics_aggregator=3),
        "no model": lambda: tff.learning.algorithms.build_fed_sgd(None),
    }
    for name, call in mistakes.items():
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        golden.check(name, str(raised.value))
