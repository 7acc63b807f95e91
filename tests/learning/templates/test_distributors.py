"""`tff.learning.templates.DistributionProcess` and the broadcast."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff

DistributionProcess = tff.learning.templates.DistributionProcess


def test_the_broadcast_brings_the_value_to_the_clients():
    process = tff.learning.templates.build_broadcast_process(tff.to_type(np.float32))
    output = process.next(process.initialize(), 5.0)
    assert output.result == 5.0
    assert output.state == ()
    assert output.measurements == ()


@pytest.mark.parametrize(
    "value_type",
    [
        3,
        np.float32,
        tff.FunctionType(None, np.int32),
        tff.FederatedType(np.int32, tff.SERVER),
        tff.to_type([tff.FederatedType(np.int32, tff.SERVER)]),
    ],
)
def test_the_broadcast_of_what_is_no_value_is_refused(value_type):
    with pytest.raises(TypeError, match="value_type: expected a type of tensors"):
        tff.learning.templates.build_broadcast_process(value_type)


def test_a_process_of_ones_own_is_accepted(parts):
    def next_fn(state, value):
        return parts.output(state, tff.federated_broadcast(value), state)

    process = DistributionProcess(
        parts.zero, tff.federated_computation(next_fn, parts.state, parts.server_number)
    )
    assert process.next(7, 2.0).measurements == 7


def test_each_law_has_its_error(parts, golden):
    output, broadcast = parts.output, tff.federated_broadcast
    broken = {
        "the result is at the server": (lambda s, v: output(s, v, s), parts.server_number),
        "the value is at the clients": (lambda s, v: output(s, v, s), parts.client_number),
        "the measurements are at the clients": (
            lambda s, v: output(s, broadcast(v), broadcast(s)),
            parts.server_number,
        ),
        "there is no value": (lambda s: output(s, broadcast(s), s),),
        "there is a third argument": (
            lambda s, v, w: output(s, broadcast(v), s),
            parts.server_number,
            parts.server_number,
        ),
    }
    for name, (fn, *types) in broken.items():
        next_fn = tff.federated_computation(fn, parts.state, *types)
        with pytest.raises(TypeError) as raised:
            DistributionProcess(parts.zero, next_fn)
        golden.check(name, str(raised.value))


def test_a_state_without_placement_is_refused(parts):
    def next_fn(state, value):
        placed = tff.federated_value(state, tff.SERVER)
        return parts.output(state, tff.federated_broadcast(value), placed)

    zero = tff.federated_computation(lambda: np.int32(0))
    with pytest.raises(TypeError, match="the state of `initialize_fn`: expected a value at"):
        DistributionProcess(zero, tff.federated_computation(next_fn, np.int32, parts.server_number))
