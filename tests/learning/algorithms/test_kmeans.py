"""Federated k-means."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

build: Any = tff.learning.algorithms.build_fed_kmeans


def points(seed: int, count: int) -> list[np.ndarray]:
    return list(np.random.RandomState(seed).normal(size=(count, 2)).astype(np.float32))


def cohort(number: int) -> list[list[np.ndarray]]:
    return [points(10 * number + client, 4 + client) for client in range(3)]


@pytest.fixture(scope="module")
def process():
    return build(3, (2,), (1, 2))


def by_hand(centroids, counts, clients):
    """A round of mini-batch k-means, in float64."""
    data = np.array([point for client in clients for point in client], np.float64).reshape(-1, 2)
    nearest = np.argmin(((data[:, None] - centroids[None]) ** 2).sum(-1), axis=1)
    assigned = np.eye(len(centroids))[nearest]
    total = counts + assigned.sum(0)
    moved = (counts[:, None] * centroids + assigned.T @ data) / total[:, None]
    return moved, total


def test_rounds_are_those_by_hand(process, engine):
    state = process.initialize()
    expected = state.global_model_weights.astype(np.float64), state.finalizer.astype(np.float64)
    for number in range(3):
        state = process.next(state, cohort(number)).state
        expected = by_hand(*expected, cohort(number))
        np.testing.assert_allclose(state.global_model_weights, expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(state.finalizer, expected[1])


def test_rounds_are_those_of_tff(process):
    # Source: TFF 0.87.
    output: Any = None
    state = process.initialize()
    for number in range(3):
        output = process.next(state, cohort(number))
        state = output.state
    np.testing.assert_allclose(
        state.global_model_weights,
        [[1.0995, 0.42028], [0.15076, -0.62395], [-1.02889, -1.06308]],
        atol=1e-5,
    )
    assert state.finalizer.tolist() == [14.0, 27.0, 7.0]
    assert output.metrics == {
        "distributor": (),
        "client_work": {"num_examples": 15.0},
        "aggregator": (),
        "finalizer": (),
    }


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        ((0, 0), [-1.6970340, -0.4813767, -0.6622369, 0.0870112, -1.0001622, 0.9434741]),
        ((7, 0), [-0.6741728, -0.3586926, -1.8795817, -1.4728931, -2.0062537, -1.1334324]),
        ((2**40, -3), [-0.0334950, 1.0349152, 0.6137574, -1.4801041, -1.0089616, -0.6696417]),
    ],
)
def test_centroids_start_where_those_of_tff_do(seed, expected):
    # Source: TFF 0.87, whose numbers come from `tf.random.stateless_normal`.
    drawn = build(3, (2,), seed).initialize().global_model_weights
    np.testing.assert_allclose(drawn.reshape(-1), expected, atol=1e-6)


def test_many_starting_numbers_are_those_of_tensorflow():
    import tensorflow as tf

    drawn = build(7, (3, 11), (5, 6)).initialize().global_model_weights
    expected = tf.random.stateless_normal([7, 3, 11], (5, 6)).numpy()
    np.testing.assert_allclose(drawn, expected, atol=2e-6)


def test_a_process_without_a_seed_always_starts_at_one_place():
    process = build(2, (2,))
    first, second = (process.initialize().global_model_weights for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_cluster_without_points_stays(process):
    state = process.initialize()
    far = [np.float32([100.0, 100.0])]
    moved = process.next(state, [far, []]).state
    np.testing.assert_array_equal(moved.finalizer, [2.0, 1.0, 1.0])
    np.testing.assert_array_equal(moved.global_model_weights[1:], state.global_model_weights[1:])


def test_inertia_falls_to_that_of_the_known_clusters():
    generator = np.random.default_rng(3)
    centres = np.float32([[0, 5], [5, 0], [-5, -5]])
    labels = generator.integers(0, 3, [8, 30])
    noise = 0.3 * generator.standard_normal((8, 30, 2))
    data = (centres[labels] + noise).astype(np.float32)

    def inertia(centroids):
        return ((data[..., None, :] - centroids) ** 2).sum(-1).min(-1).mean()

    process = build(3, (2,), (0, 3))
    state = process.initialize()
    inertias = [inertia(state.global_model_weights)]
    for _ in range(30):
        state = process.next(state, [list(client) for client in data]).state
        inertias.append(inertia(state.global_model_weights))
    assert all(later < earlier for earlier, later in itertools.pairwise(inertias))
    found = state.global_model_weights
    distances = np.linalg.norm(found[:, None] - centres[None], axis=-1)
    assert sorted(distances.argmin(1)) == [0, 1, 2]
    assert distances.min(1).max() < 0.2


def test_points_may_have_any_shape():
    process = build(2, (), (1, 1))
    output = process.next(process.initialize(), [[np.float32(3.0), np.float32(-3.0)]])
    assert output.state.finalizer.tolist() == [2.0, 2.0]


def test_the_sums_may_be_aggregated_in_another_way():
    class Doubling(tff.aggregators.UnweightedAggregationFactory):
        def create(self, value_type):
            double = tff.jax.computation(lambda pair: (2.0 * pair[0], 2.0 * pair[1]), value_type)

            @tff.federated_computation(
                tff.FederatedType((), tff.SERVER), tff.FederatedType(value_type, tff.CLIENTS)
            )
            def next_fn(state, value):
                return tff.templates.MeasuredProcessOutput(
                    state, tff.federated_map(double, tff.federated_sum(value)), state
                )

            nothing = tff.federated_computation(lambda: tff.federated_value((), tff.SERVER))
            return tff.templates.AggregationProcess(nothing, next_fn)

    process = build(1, (1,), (0, 0), sum_aggregator=Doubling())
    output = process.next(process.initialize(), [[np.float32([1.0])]])
    assert output.state.finalizer.tolist() == [3.0]


def test_type_signatures(golden, process):
    for name in ("initialize", "next", "get_model_weights", "set_model_weights"):
        golden.check(name, getattr(process, name).type_signature.compact_representation())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no clusters", {"num_clusters": 0, "data_shape": (2,)}),
        ("no numbers", {"num_clusters": 2.5, "data_shape": 2}),
        ("half a seed", {"num_clusters": 2, "data_shape": (2,), "random_seed": (5,)}),
        (
            "weighted",
            {
                "num_clusters": 2,
                "data_shape": (2,),
                "sum_aggregator": tff.aggregators.MeanFactory(),
            },
        ),
    ],
)
def test_errors(name, arguments, golden):
    with pytest.raises((TypeError, ValueError)) as caught:
        build(**arguments)
    golden.check(name, f"{type(caught.value).__name__}: {caught.value}")


def test_batches_are_no_points(process, golden):
    with pytest.raises(TypeError) as caught:
        process.next(process.initialize(), [[np.zeros([2, 2], np.float32)]])
    golden.check("batches", f"{type(caught.value).__name__}: {caught.value}")
