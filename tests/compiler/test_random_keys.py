"""The numbers of random keys: one for each draw of a client, in the order of the draws."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import call_dominant, compilation, random_keys
from tensorflow_federated.core import errors, intrinsics, ir, local_intrinsics, traversal
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, SequenceType

INT_CLIENTS = FederatedType(np.int32, CLIENTS)


@federated_computation(np.int32)
def draw(x):
    return x, local_intrinsics.random_key()


def numbered(function, parameter_type=INT_CLIENTS) -> ir.Lambda:
    program = federated_computation(function, parameter_type).node
    return random_keys.number_draws(call_dominant.to_call_dominant(program))


def numbers_of(program: ir.Node) -> list[int]:
    return sorted(
        random_keys.number_of(node.argument)
        for node in traversal.iterate(program)
        if isinstance(node, ir.Call)
        and isinstance(node.function, ir.Intrinsic)
        and node.function.uri == random_keys.NUMBERED_URI
    )


def test_a_function_that_is_mapped_twice_draws_twice():
    program = numbered(lambda x: (intrinsics.federated_map(draw, x),) * 2)
    assert numbers_of(program) == [0]
    program = numbered(lambda x: [intrinsics.federated_map(draw, x) for _ in range(2)])
    assert numbers_of(program) == [0, 1]
    assert random_keys.count_draws(program) == 2


def test_a_draw_keeps_its_number_when_others_are_removed():
    computation = federated_computation(
        lambda x: [intrinsics.federated_map(draw, x) for _ in range(3)][2], INT_CLIENTS
    )
    plan = compilation.compile_computation(computation.node, check=True)
    assert [numbers_of(step.body) for step in plan.steps] == [[2]]
    assert plan.random_keys == 3


def test_a_program_without_draws_needs_no_keys():
    computation = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    assert compilation.compile_computation(computation.node).random_keys == 0


def test_a_loop_over_a_sequence_draws_nothing():
    numbers = SequenceType(np.int32)
    each = federated_computation(lambda data: local_intrinsics.sequence_map(draw, data), numbers)
    with pytest.raises(errors.PlacementError, match="sequence"):
        numbered(lambda x: intrinsics.federated_map(each, x), FederatedType(numbers, CLIENTS))
