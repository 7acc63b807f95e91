"""Selections as broadcasts and maps: the program that comes out."""

from __future__ import annotations

import numpy as np
import pytest

from tensorflow_federated.compiler import call_dominant, compilation, lower_selections
from tensorflow_federated.core import errors, intrinsics, local_intrinsics, traversal
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.jax import portable_computation

KEYS = FederatedType((np.int32, [2]), CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)


@portable_computation(np.int32, np.int32)
def multiply(value, key):
    return value * key


@pytest.mark.parametrize(
    "select", [intrinsics.federated_select, intrinsics.federated_secure_select]
)
def test_the_program(select, golden):
    node = federated_computation(
        lambda keys, size, value: select(keys, size, value, multiply), KEYS, INT_SERVER, INT_SERVER
    ).node
    program = call_dominant.to_call_dominant(node)
    after = lower_selections.lower_selections(program)
    traversal.check_ir(after, unique_names=True)
    assert program.type_signature.is_assignable_from(after.type_signature)
    golden.check("selection", str(after))


def test_a_slice_cannot_draw_a_random_key():
    def program(keys, size):
        return intrinsics.federated_select(
            keys, size, size, lambda value, key: local_intrinsics.random_key()
        )

    node = federated_computation(program, KEYS, INT_SERVER).node
    with pytest.raises(errors.PlacementError, match="random_key"):
        compilation.compile_computation(node)
