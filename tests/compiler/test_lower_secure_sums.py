"""Secure sums as folds, which keep the name of the protocol that was asked for."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.compiler import (
    call_dominant,
    compilation,
    lower_secure_sums,
    plan,
)
from tensorflow_federated.core import intrinsics, traversal
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
MEMBER = collections.OrderedDict(a=np.int32, b=(np.int64, [2]))
SECURE_SUMS = {
    "federated_secure_modular_sum": intrinsics.federated_secure_modular_sum,
    "federated_secure_sum": intrinsics.federated_secure_sum,
    "federated_secure_sum_bitwidth": intrinsics.federated_secure_sum_bitwidth,
}


@pytest.mark.parametrize("uri", SECURE_SUMS)
def test_the_program(uri, golden):
    node = federated_computation(
        lambda x, bound: SECURE_SUMS[uri](x, bound), FederatedType(MEMBER, CLIENTS), np.int32
    ).node
    program = call_dominant.to_call_dominant(node)
    after = lower_secure_sums.lower_secure_sums(program)
    traversal.check_ir(after, unique_names=True)
    assert program.type_signature.is_assignable_from(after.type_signature)
    golden.check(uri, str(after))


@pytest.mark.parametrize("uri", SECURE_SUMS)
def test_the_plan_says_which_protocol_was_asked_for(uri):
    node = federated_computation(lambda x: SECURE_SUMS[uri](x, 8), INT_CLIENTS).node
    steps = compilation.compile_computation(node, check=True).steps
    (aggregate,) = [
        each for step in steps if isinstance(step, plan.ClientStep) for each in step.aggregates
    ]
    assert aggregate.protocol == uri


def test_other_aggregates_have_no_protocol():
    node = federated_computation(
        lambda x: (intrinsics.federated_sum(x), intrinsics.federated_max(x)), INT_CLIENTS
    ).node
    steps = compilation.compile_computation(node, check=True).steps
    aggregates = [
        each for step in steps if isinstance(step, plan.ClientStep) for each in step.aggregates
    ]
    assert [aggregate.protocol for aggregate in aggregates] == [None, None]
