"""Extremes, collections, reductions and means with one weight for all, on every engine."""

from __future__ import annotations

import collections

import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.core import errors, intrinsics, local_intrinsics
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

pytestmark = pytest.mark.usefixtures("engine")

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)


@portable_computation(np.int32, np.int32)
def append_digit(number, digit):
    return number * 10 + digit


@portable_computation(np.int32)
def double(x):
    return x * 2


def extremes(member):
    return federated_computation(
        lambda x: (intrinsics.federated_min(x), intrinsics.federated_max(x)),
        FederatedType(member, CLIENTS),
    )


def test_extremes_of_numbers():
    assert extremes(np.int32)([3, -2, 6]) == (-2, 6)


def test_extremes_of_many_clients():
    assert extremes(np.int32)([(7 * i) % 1000 - 500 for i in range(1000)]) == (-500, 499)


def test_extremes_are_found_for_each_element():
    smallest, largest = extremes((np.float32, [2]))([[3.0, 1.0], [-2.0, 5.0]])
    assert smallest.tolist() == [-2.0, 1.0]
    assert largest.tolist() == [3.0, 5.0]


def test_extremes_of_structures_keep_their_containers():
    member = collections.OrderedDict(a=np.int64, b=[np.float32])
    clients = [{"a": 1, "b": [2.5]}, {"a": 4, "b": [-1.0]}]
    smallest, largest = extremes(member)(clients)
    assert smallest == collections.OrderedDict(a=1, b=[-1.0])
    assert largest == collections.OrderedDict(a=4, b=[2.5])


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.int8, np.uint16, np.uint32, np.int64, np.uint64],
)
def test_extremes_of_no_integers_are_the_bounds_of_the_dtype(dtype):
    limits = np.iinfo(dtype)
    assert extremes(dtype)([]) == (limits.max, limits.min)
    assert extremes(dtype)([limits.max, limits.min]) == (limits.min, limits.max)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_extremes_of_no_floats_are_finite(dtype):
    limits = ml_dtypes.finfo(dtype)
    smallest, largest = extremes(dtype)([])
    assert (smallest, largest) == (limits.max, limits.min)
    assert smallest.dtype == np.dtype(dtype)


def test_extremes_of_infinities_are_infinite():
    assert extremes(np.float32)([-np.inf, -np.inf]) == (-np.inf, -np.inf)
    assert extremes(np.float32)([np.inf]) == (np.inf, np.inf)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_nan_makes_the_extremes_nan(position):
    clients = [1.0, 2.0]
    clients.insert(position, np.nan)
    smallest, largest = extremes(np.float32)(clients)
    assert np.isnan(smallest)
    assert np.isnan(largest)


def test_a_collection_is_in_the_order_of_the_cohort():
    collect = federated_computation(lambda x: intrinsics.federated_collect(x), INT_CLIENTS)
    assert collect([3, 1, 2]) == [3, 1, 2]
    assert collect(list(range(200))) == list(range(200))
    assert collect([]) == []


def test_a_collection_of_structures():
    member = collections.OrderedDict(a=np.int32, b=(np.float32, [None]))
    collect = federated_computation(
        lambda x: intrinsics.federated_collect(x), FederatedType(member, CLIENTS)
    )
    first, second = collect([{"a": 1, "b": [1.0]}, {"a": 2, "b": [2.0, 3.0]}])
    assert (first["a"], first["b"].tolist()) == (1, [1.0])
    assert (second["a"], second["b"].tolist()) == (2, [2.0, 3.0])


def test_a_collection_of_strings():
    collect = federated_computation(
        lambda x: intrinsics.federated_collect(x), FederatedType(np.str_, CLIENTS)
    )
    assert collect(["one", "two"]) == [b"one", b"two"]


def test_a_collection_can_be_worked_on_at_the_server():
    def program(x):
        doubled = local_intrinsics.sequence_map(double, intrinsics.federated_collect(x))
        return local_intrinsics.sequence_sum(doubled), intrinsics.federated_sum(x)

    assert federated_computation(program, INT_CLIENTS)([1, 2, 3]) == (12, 6)


def test_a_reduction_takes_the_clients_in_order():
    reduce = federated_computation(
        lambda x: intrinsics.federated_reduce(x, 0, append_digit), INT_CLIENTS
    )
    assert reduce([1, 2, 3]) == 123
    assert reduce([]) == 0


def test_a_reduction_can_start_from_a_computed_value():
    def program(x, start):
        return intrinsics.federated_reduce(x, double(start), append_digit)

    assert federated_computation(program, INT_CLIENTS, np.int32)([3, 4], 1) == 234


def test_a_reduction_can_start_from_a_computation():
    four = portable_computation(lambda: np.int32(4))
    reduce = federated_computation(
        lambda x: intrinsics.federated_reduce(x, four, append_digit), INT_CLIENTS
    )
    assert reduce([2]) == 42


def test_a_map_for_all_gives_one_value():
    def program(x):
        sent = intrinsics.federated_broadcast(x)
        return intrinsics.federated_map_all_equal(double, sent)

    computation = federated_computation(program, FederatedType(np.int32, SERVER))
    assert str(computation.type_signature) == "(int32@SERVER -> int32@CLIENTS)"
    assert computation(4) == 8


def test_a_map_for_all_is_part_of_what_each_client_has():
    def program(x, y):
        same = intrinsics.federated_map_all_equal(double, intrinsics.federated_broadcast(x))
        return intrinsics.federated_map(append_digit, (same, y))

    computation = federated_computation(program, FederatedType(np.int32, SERVER), INT_CLIENTS)
    assert computation(2, [1, 2]) == [41, 42]


def test_a_map_for_all_of_every_clients_own_key_is_refused():
    def program(x):
        sent = intrinsics.federated_broadcast(x)
        return intrinsics.federated_map_all_equal(
            lambda y: (y, local_intrinsics.random_key()), sent
        )

    computation = federated_computation(program, FederatedType(np.int32, SERVER))
    with pytest.raises(errors.PlacementError, match="random"):
        computation(1)


@pytest.mark.parametrize(
    "weight", [1.0, 3, np.float64(0.5), np.int8(2), np.float32(7)], ids=lambda w: repr(w)
)
def test_a_mean_with_one_weight_for_all(weight):
    mean = federated_computation(lambda x: intrinsics.federated_mean(x, weight), FLOAT_CLIENTS)
    assert mean([1.0, 2.0, 6.0]) == 3.0


@pytest.mark.parametrize("weight", [0.0, 0, np.nan])
def test_a_mean_with_a_weight_that_adds_up_to_nothing_is_nan(weight):
    mean = federated_computation(lambda x: intrinsics.federated_mean(x, weight), FLOAT_CLIENTS)
    assert np.isnan(mean([1.0, 2.0]))


def test_a_mean_with_a_negative_weight_for_all():
    mean = federated_computation(lambda x: intrinsics.federated_mean(x, -2.0), FLOAT_CLIENTS)
    assert mean([1.0, 2.0]) == 1.5


def test_a_mean_with_a_weight_for_all_and_no_clients_is_nan():
    mean = federated_computation(lambda x: intrinsics.federated_mean(x, 1.0), FLOAT_CLIENTS)
    assert np.isnan(mean([]))


def test_a_mean_with_an_unplaced_argument_as_weight():
    mean = federated_computation(
        lambda x, w: intrinsics.federated_mean(x, w), FLOAT_CLIENTS, np.int32
    )
    assert mean([1.0, 2.0, 6.0], 4) == 3.0


def test_a_mean_with_a_weight_that_all_clients_have():
    mean = federated_computation(
        lambda x, w: intrinsics.federated_mean(x, w),
        FLOAT_CLIENTS,
        FederatedType(np.float32, CLIENTS, all_equal=True),
    )
    assert mean([1.0, 2.0, 6.0], 4.0) == 3.0


def test_a_sum_of_what_all_clients_have_counts_every_client():
    def program(x, y):
        return intrinsics.federated_sum(intrinsics.federated_broadcast(x)), (
            intrinsics.federated_max(y)
        )

    computation = federated_computation(program, FederatedType(np.int32, SERVER), INT_CLIENTS)
    assert computation(5, [1, 2, 3]) == (15, 3)
