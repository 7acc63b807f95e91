"""Results of the types that were declared."""

from __future__ import annotations

import collections
from typing import NamedTuple

import numpy as np

from tensorflow_federated.compiler import result_types
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, to_type


class Pair(NamedTuple):
    x: object
    y: object


BOTH = StructType([np.int32, np.int32])
SAME = ir.Lambda("x", BOTH, ir.Reference("x", BOTH))


def test_names_and_containers_are_given_to_a_result(engine):
    declared = to_type(Pair(np.int32, np.int32))
    named = result_types.with_result_type(SAME, declared)
    traversal.check_ir(named, unique_names=True)
    assert named.type_signature.result.is_identical_to(declared)
    assert ConcreteComputation(named)(1, 2) == Pair(np.int32(1), np.int32(2))


def test_one_value_for_all_clients_can_be_one_of_each(engine):
    for_all = FederatedType(np.int32, CLIENTS, all_equal=True)
    of_each = FederatedType(np.int32, CLIENTS)
    same = ir.Lambda(
        "x", StructType([for_all, of_each]), ir.Reference("x", StructType([for_all, of_each]))
    )
    general = result_types.with_result_type(same, StructType([of_each, of_each]))
    assert ConcreteComputation(general)(7, [1, 2]) == ([7, 7], [1, 2])


def test_a_function_of_that_type_stays_the_same():
    assert result_types.with_result_type(SAME, BOTH) is SAME


def test_the_placement_is_taken_out_of_a_structure():
    placed = to_type(
        collections.OrderedDict(
            a=FederatedType(np.int32, SERVER), b=[FederatedType([np.float32], SERVER)], c=np.int64
        )
    )
    expected = to_type(collections.OrderedDict(a=np.int32, b=[[np.float32]], c=np.int64))
    assert result_types.without_placement(placed).is_identical_to(expected)


def test_a_type_without_placement_stays_the_same():
    assert result_types.without_placement(to_type(np.int32)) == TensorType(np.int32)
