"""Aggregations by accumulators: the same as the aggregation, in any grouping."""

from __future__ import annotations

import collections

import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.compiler import accumulations, call_dominant
from tensorflow_federated.core import intrinsics, ir
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, to_type

PAIR = collections.OrderedDict(a=np.int32, b=[(np.float32, [2])])
SUMMANDS = {
    "int32": (np.int32, [1, -5, 9]),
    "int8 that wraps around": (np.int8, [100, 100, 100]),
    "uint64": (np.uint64, [2**63, 1, 2]),
    "bfloat16": (ml_dtypes.bfloat16, [1.0, 0.5, 256.0]),
    "complex": (np.complex64, [1 + 2j, 3 + 0j, -1j]),
    "matrix": ((np.float64, [1, 2]), [[[1.0, 2.0]], [[3.0, 4.0]]]),
    "structure": (PAIR, [{"a": 1, "b": [[1.0, 2.0]]}, {"a": 2, "b": [[0.5, 4.0]]}]),
    "nothing": ([], [(), ()]),
}


def accumulation_of(computation: ConcreteComputation) -> accumulations.Accumulation:
    program = call_dominant.to_call_dominant(computation.node)
    bindings, _ = call_dominant.open_lambda(program)
    (call,) = [bound for _, bound in bindings]
    assert isinstance(call, ir.Call)
    found = accumulations.of_aggregation(call)
    assert found is not None
    return found


def as_computation(node: ir.Node | None) -> ConcreteComputation:
    assert isinstance(node, (ir.Lambda, ir.Local))
    return ConcreteComputation(node)


@pytest.mark.parametrize("name", SUMMANDS)
def test_a_sum_is_accumulated(name, engine):
    member, values = SUMMANDS[name]
    total = federated_computation(intrinsics.federated_sum, FederatedType(member, CLIENTS))
    parts = accumulation_of(total)
    assert isinstance(parts.zero, ir.Call)
    accumulator = as_computation(parts.zero.function)()
    for value in values:
        accumulator = as_computation(parts.accumulate)(accumulator, value)
    assert repr(as_computation(parts.report)(accumulator)) == repr(total(values))
    merged = as_computation(parts.merge)(accumulator, as_computation(parts.zero.function)())
    assert repr(merged) == repr(accumulator)


def test_a_sum_of_unknown_size_starts_from_nothing():
    member = to_type((np.float32, [None]))
    total = federated_computation(intrinsics.federated_sum, FederatedType(member, CLIENTS))
    assert accumulation_of(total).zero is None


@pytest.mark.parametrize("name", ["federated_mean", "federated_max", "federated_collect"])
def test_other_aggregations_are_not_seen_in_parts(name):
    aggregate = getattr(intrinsics, name)
    computation = federated_computation(aggregate, FederatedType(np.float32, CLIENTS))
    bindings, _ = call_dominant.open_lambda(call_dominant.to_call_dominant(computation.node))
    (call,) = [bound for _, bound in bindings]
    assert isinstance(call, ir.Call)
    assert accumulations.of_aggregation(call) is None
