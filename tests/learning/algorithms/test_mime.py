"""MimeLite: the equations of the paper, and less drift than with momentum at the server."""

from __future__ import annotations

import numpy as np
import pytest
from tests.learning.algorithms import quadratics

import tensorflow_federated as tff

algorithms = tff.learning.algorithms
build_sgdm = tff.learning.optimizers.build_sgdm

LEARNING_RATE, MOMENTUM = 0.1, 0.9


def in_numpy(data, rounds, learning_rate=lambda number: LEARNING_RATE):
    """Karimireddy et al. (2021), Algorithm 1, MimeLite, with momentum as the base optimizer."""
    weights, velocity, found = np.zeros(2), np.zeros(2), []
    for number in range(rounds):
        models, full_gradients = [], []
        for batches in data:
            local, total = weights, 0.0
            for batch in batches:
                step = MOMENTUM * velocity + quadratics.gradient(local, batch)
                local = local - learning_rate(number) * step
                total = total + len(batch[0]) * quadratics.gradient(weights, batch)
            models.append(local)
            full_gradients.append(total / sum(len(x) for x, _ in batches))
        weights = quadratics.mean(models, data)
        velocity = MOMENTUM * velocity + quadratics.mean(full_gradients, data)
        found.append(weights)
    return found


def build(learning_rate=LEARNING_RATE, **options):
    optimizer = build_sgdm(learning_rate, MOMENTUM)
    return algorithms.build_weighted_mime_lite(quadratics.model(), optimizer, **options)


def build_scheduled(learning_rate_fn, optimizer=None, **options):
    return algorithms.build_mime_lite_with_optimizer_schedule(
        quadratics.model(), learning_rate_fn, optimizer or build_sgdm(1.0, MOMENTUM), **options
    )


def test_rounds_are_those_of_the_equations():
    data = quadratics.clients(epochs=2)
    np.testing.assert_allclose(
        quadratics.run(build(), data, 3), in_numpy(data, 3), rtol=1e-4, atol=1e-5
    )


def test_rounds_with_a_schedule_are_those_of_the_equations():
    data = quadratics.clients(epochs=2)
    process = build_scheduled(lambda round_num: 0.2 / (round_num + 1))
    np.testing.assert_allclose(
        quadratics.run(process, data, 3),
        in_numpy(data, 3, lambda number: 0.2 / (number + 1)),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.slow
def test_clients_drift_less_than_with_momentum_at_the_server():
    data = quadratics.clients(epochs=10)
    server_momentum = algorithms.build_weighted_fed_avg(
        quadratics.model(), build_sgdm(0.02), build_sgdm(0.1, MOMENTUM)
    )
    *_, with_server = quadratics.run(server_momentum, data, 150)
    *_, mime = quadratics.run(build(0.02), data, 150)
    assert quadratics.distance(mime) < 0.3 * quadratics.distance(with_server)


@pytest.mark.slow
def test_a_round_without_examples_leaves_the_state_of_the_optimizer():
    process, data = build(), quadratics.clients()
    state, _ = process.next(process.initialize(), data)
    after, _ = process.next(state, [[], []])
    for kept, before in zip(
        after.client_work[0]["accumulator"], state.client_work[0]["accumulator"], strict=True
    ):
        np.testing.assert_array_equal(kept, before)


@pytest.mark.slow
def test_a_client_that_diverges_leaves_the_state_of_the_optimizer_to_the_others():
    process, data = build(), quadratics.clients()
    bad = [(np.full([4, 2], np.nan, np.float32), np.ones([4, 1], np.float32))]
    expected, _ = process.next(process.initialize(), data)
    found, _ = process.next(process.initialize(), [*data, bad])
    np.testing.assert_allclose(
        found.client_work[0]["accumulator"][0], expected.client_work[0]["accumulator"][0], rtol=1e-6
    )


@pytest.mark.slow
def test_full_gradients_can_be_aggregated_otherwise():
    process = algorithms.build_unweighted_mime_lite(
        quadratics.model(),
        build_sgdm(LEARNING_RATE, MOMENTUM),
        full_gradient_aggregator=tff.aggregators.SumFactory(),
    )
    state, _ = process.next(process.initialize(), quadratics.clients())
    data = quadratics.clients(batch_size=12)
    total = sum(quadratics.gradient(np.zeros(2), batches[0]) for batches in data)
    np.testing.assert_allclose(
        np.asarray(state.client_work[0]["accumulator"][0])[:, 0], total, rtol=1e-4
    )


def test_what_cannot_be_used_is_told(golden):
    weighted, unweighted = tff.aggregators.MeanFactory(), tff.aggregators.UnweightedMeanFactory()

    class WithoutRate(tff.learning.optimizers.Optimizer):
        framework = "portable"

        def initialize(self, specs):
            return ()

        def next(self, state, weights, gradients):
            return state, weights

    mistakes = {
        "no base optimizer": lambda: algorithms.build_weighted_mime_lite(quadratics.model(), None),
        "no server optimizer": lambda: build(server_optimizer="sgd"),
        "an aggregator of another kind": lambda: build(model_aggregator=unweighted),
        "an aggregator of gradients of another kind": lambda: algorithms.build_unweighted_mime_lite(
            quadratics.model(), build_sgdm(0.1), full_gradient_aggregator=weighted
        ),
        "a schedule that is no function": lambda: build_scheduled(0.1),
        "a schedule of integers": lambda: build_scheduled(lambda round_num: round_num),
        "a schedule of two numbers": lambda: build_scheduled(lambda round_num: (0.1, 0.2)),
        "a base optimizer without a learning rate": lambda: build_scheduled(
            lambda round_num: 0.1, WithoutRate()
        ),
    }
    for name, call in mistakes.items():
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        golden.check(name, str(raised.value))
