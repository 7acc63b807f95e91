"""`tff.templates.AggregationProcess`: from values at the clients to a result at the server."""

from __future__ import annotations

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.templates import errors

Output = tff.templates.MeasuredProcessOutput
STATE = tff.FederatedType(np.int32, tff.SERVER)
INTS = tff.FederatedType(np.int32, tff.CLIENTS)
FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)

zero = tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER))


def summed(state, value, *weights):
    return Output(state, tff.federated_sum(value), tff.federated_value((), tff.SERVER))


def with_weight(state, value, weight):
    return summed(state, value)


def test_next_aggregates(engine):
    process = tff.templates.AggregationProcess(
        zero, tff.federated_computation(lambda state, value: summed(state, value), STATE, INTS)
    )
    assert not process.is_weighted
    assert process.next(process.initialize(), [1, 2, 3]).result == 6


def test_a_third_argument_is_the_weight():
    process = tff.templates.AggregationProcess(
        zero, tff.federated_computation(with_weight, STATE, INTS, FLOATS)
    )
    assert process.is_weighted


def returning(state_type, value_type, fn):
    return tff.federated_computation(fn, state_type, value_type)


LAWS = {
    "the state has no placement": (
        tff.jax.computation(lambda: 0),
        tff.jax.computation(lambda state, value: Output(state, value, ()), np.int32, np.int32),
        errors.AggregationNotFederatedError,
    ),
    "the state is at the clients": (
        tff.federated_computation(lambda: tff.federated_value(0, tff.CLIENTS)),
        tff.federated_computation(
            lambda state, value: summed(state, value),
            tff.FederatedType(np.int32, tff.CLIENTS, True),
            INTS,
        ),
        errors.AggregationPlacementError,
    ),
    "next takes the state alone": (
        zero,
        tff.federated_computation(lambda state: Output(state, state, state), STATE),
        errors.TemplateNextFnNumArgsError,
    ),
    "next takes the state in a structure alone": (
        zero,
        tff.federated_computation(lambda args: Output(args[0], args[0], args[0]), [STATE]),
        errors.TemplateNextFnNumArgsError,
    ),
    "the value has no placement": (
        zero,
        returning(STATE, np.int32, lambda state, value: Output(state, state, state)),
        errors.AggregationNotFederatedError,
    ),
    "the value is at the server": (
        zero,
        returning(STATE, STATE, lambda state, value: Output(state, value, value)),
        errors.AggregationPlacementError,
    ),
    "the value is a structure of placed values": (
        zero,
        returning(STATE, (INTS, INTS), lambda state, value: Output(state, state, state)),
        errors.AggregationNotFederatedError,
    ),
    "the weight is at the server": (
        zero,
        tff.federated_computation(with_weight, STATE, INTS, STATE),
        errors.AggregationPlacementError,
    ),
    "the result stays at the clients": (
        zero,
        returning(STATE, INTS, lambda state, value: Output(state, value, state)),
        errors.AggregationPlacementError,
    ),
    "the measurements stay at the clients": (
        zero,
        returning(STATE, INTS, lambda state, value: Output(state, state, value)),
        errors.AggregationPlacementError,
    ),
    "the result is a structure of placed values": (
        zero,
        returning(STATE, INTS, lambda state, value: Output(state, (state, state), state)),
        errors.AggregationNotFederatedError,
    ),
    "next returns a tuple": (
        zero,
        returning(STATE, INTS, lambda state, value: (state, state, state)),
        errors.TemplateNotMeasuredProcessOutputError,
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_each_law_has_its_error(law, golden):
    initialize_fn, next_fn, expected = LAWS[law]
    with pytest.raises(expected) as raised:
        tff.templates.AggregationProcess(initialize_fn, next_fn)
    assert isinstance(raised.value, TypeError)
    golden.check(law, str(raised.value))
