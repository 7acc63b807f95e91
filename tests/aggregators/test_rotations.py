"""Random rotations before aggregation."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

AGG = tff.aggregators
OD = collections.OrderedDict
ROTATIONS: dict[str, Any] = {
    "hd": AGG.HadamardTransformFactory,
    "dft": AGG.DiscreteFourierTransformFactory,
}


@pytest.fixture(params=ROTATIONS)
def rotation(request: pytest.FixtureRequest) -> Any:
    return ROTATIONS[request.param]


def rotated(rotation: Any, value: np.ndarray, num_repeats: int = 1, seed: int = 0) -> np.ndarray:
    """What the inner aggregator sees of one client."""
    seen: list[Any] = []

    class Spy(AGG.UnweightedAggregationFactory):
        def create(self, value_type):
            return AGG.add_measurements(
                AGG.SumFactory(),
                server_measurement_fn=lambda total: seen.append(0) or OD(total=total),
            ).create(value_type)

    process = rotation(Spy(), num_repeats).create(tff.TensorType(value.dtype, value.shape))
    with context_stack.install(contexts.create_local_context(seed=seed)):
        output = process.next(process.initialize(), [value])
    (measured,) = output.measurements.values()
    assert seen
    return measured["total"]


@pytest.mark.parametrize("size", [1, 5, 8, 31])
@pytest.mark.parametrize("num_repeats", [1, 3])
def test_a_rotation_keeps_norms(rotation, size, num_repeats):
    value = np.arange(1, size + 1, dtype=np.float32)
    turned = rotated(rotation, value, num_repeats)
    np.testing.assert_allclose(np.linalg.norm(turned), np.linalg.norm(value), rtol=1e-5)


def test_a_vector_is_filled_up(rotation):
    expected = {"hd": 8, "dft": 6}[rotation._name]
    assert rotated(rotation, np.ones(5, np.float32)).shape == (expected,)


def test_one_large_element_is_spread_over_all(rotation):
    value = np.zeros(64, np.float32)
    value[17] = 8.0
    turned = rotated(rotation, value)
    assert np.abs(turned).max() <= 8.0 * np.sqrt(2 / 64) + 1e-5


def test_the_hadamard_matrix_is_that_of_its_definition():
    # Source: H of 2n is [[H, H], [H, -H]].
    matrix = np.ones([1, 1])
    for _ in range(3):
        matrix = np.kron([[1, 1], [1, -1]], matrix)
    value = np.float32([3, 1, -2, 0.25, 5, 0.5, 7, -4])
    turned = rotated(AGG.HadamardTransformFactory, value)
    # The matrix divided by the root of its size is its own inverse.
    signs = (matrix @ turned / np.sqrt(8)) / value
    np.testing.assert_allclose(np.abs(signs), np.ones(8), rtol=1e-5)


def test_clients_of_a_round_are_rotated_alike_and_rounds_are_not(rotation):
    process = rotation(AGG.SumFactory()).create(tff.TensorType(np.float32, [64]))
    first = process.next(process.initialize(), [np.ones(64, np.float32)] * 3)
    second = process.next(first.state, [np.ones(64, np.float32)])
    np.testing.assert_allclose(first.result, np.full(64, 3.0), rtol=1e-5)
    assert first.state[1][0] == second.state[1][0]
    assert [int(first.state[1][1]), int(second.state[1][1])] == [1, 2]


def test_the_rotation_follows_from_the_seed(rotation):
    value = np.arange(16, dtype=np.float32)
    same = [rotated(rotation, value, seed=seed) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(same[0], same[1])
    assert not np.allclose(same[0], same[2])


def test_integers_come_back_as_integers(rotation, engine):
    process = rotation(num_repeats=3).create(tff.to_type(OD(a=np.int32, b=(np.int64, [3]))))
    output = process.next(process.initialize(), [OD(a=7, b=[1, 2, -3])] * 2)
    assert output.result["a"] == 14
    assert output.result["b"].tolist() == [2, 4, -6]
    assert output.result["b"].dtype == np.int64
    # Source: TFF 0.87 counts a draw for each tensor and repeat.
    assert int(output.state[1][1]) == 6


WRONG: dict[str, Any] = {
    "mixed": (lambda r: r().create(tff.to_type(OD(a=np.int32, b=np.float32))), TypeError),
    "unknown shape": (lambda r: r().create(tff.TensorType(np.float32, [None])), TypeError),
    "weighted": (lambda r: r(AGG.MeanFactory()), TypeError),
    "no repeats": (lambda r: r(num_repeats=0), ValueError),
    "half a repeat": (lambda r: r(num_repeats=1.5), ValueError),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_mistakes(rotation, make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make(rotation)
    golden.check(request.node.name, str(caught.value))
