"""`tff.templates.MeasuredProcess`, and how processes are chained and put side by side."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.templates import errors

Output = tff.templates.MeasuredProcessOutput
INT_AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
INTS = tff.FederatedType(np.int32, tff.CLIENTS)
FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)

zero = tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER))
count_up = tff.jax.computation(lambda x: x + 1, np.int32)


def mapped(fn, values_type):
    """A process that maps a function over the clients' values and counts its calls."""

    @tff.federated_computation(INT_AT_SERVER, values_type)
    def next_fn(state, values):
        return Output(
            tff.federated_map(count_up, state),
            tff.federated_map(fn, values),
            tff.federated_value({"factor": 2}, tff.SERVER),
        )

    return tff.templates.MeasuredProcess(zero, next_fn)


double = mapped(tff.jax.computation(lambda x: 2 * x, np.int32), INTS)
halve = mapped(tff.jax.computation(lambda x: x / 2, np.int32), INTS)
negate = mapped(tff.jax.computation(lambda x: -x, np.float32), FLOATS)


def test_next_gives_state_result_and_measurements(engine):
    output = double.next(double.initialize(), [1, 2])
    assert isinstance(output, Output)
    assert output.state == 1
    assert output.result == [2, 4]
    assert output.measurements == {"factor": 2}


def test_the_type_signature_is_that_of_tff():
    assert double.next.type_signature.compact_representation() == (
        "(<state=int32@SERVER,values={int32}@CLIENTS> -> "
        "<state=int32@SERVER,result={int32}@CLIENTS,measurements=<factor=int32>@SERVER>)"
    )


@pytest.mark.parametrize(
    "returned",
    [
        lambda state, x: (state, x, ()),
        lambda state, x: collections.OrderedDict(state=state, result=x, measurements=()),
        lambda state, x: state,
    ],
    ids=["tuple", "dict", "state alone"],
)
def test_next_has_to_return_a_measured_process_output(returned):
    with pytest.raises(errors.TemplateNotMeasuredProcessOutputError, match="MeasuredProcessOutput"):
        tff.templates.MeasuredProcess(
            tff.jax.computation(lambda: 0), tff.jax.computation(returned, np.int32, np.int32)
        )


def test_the_laws_of_iterative_processes_hold():
    with pytest.raises(errors.TemplateStateNotAssignableError):
        tff.templates.MeasuredProcess(
            tff.jax.computation(lambda: 0),
            tff.jax.computation(lambda state, x: Output(1.0, x, ()), np.int32, np.int32),
        )


def test_chained_processes_pass_their_results_on(engine):
    process = tff.templates.chain_measured_processes(
        collections.OrderedDict(double=double, halve=halve, negate=negate)
    )
    assert str(process.initialize.type_signature) == (
        "( -> <double=int32,halve=int32,negate=int32>@SERVER)"
    )
    output = process.next(process.initialize(), [3, 5])
    assert output.result == [-3.0, -5.0]
    assert output.state == collections.OrderedDict(double=1, halve=1, negate=1)
    assert output.measurements["negate"] == {"factor": 2}


def test_processes_side_by_side_have_a_value_each(engine):
    process = tff.templates.concatenate_measured_processes(
        collections.OrderedDict(a=double, b=negate)
    )
    assert process.next.type_signature.compact_representation() == (
        "(<state=<a=int32,b=int32>@SERVER,values=<a={int32}@CLIENTS,b={float32}@CLIENTS>> -> "
        "<state=<a=int32,b=int32>@SERVER,result=<a={int32}@CLIENTS,b={float32}@CLIENTS>,"
        "measurements=<a=<factor=int32>,b=<factor=int32>>@SERVER>)"
    )
    output = process.next(process.initialize(), {"a": [1, 2], "b": [3.0, 4.0]})
    assert output.result == collections.OrderedDict(a=[2, 4], b=[-3.0, -4.0])


local = tff.templates.MeasuredProcess(
    tff.jax.computation(lambda: 0),
    tff.jax.computation(lambda state, x: Output(state, x, ()), np.int32, np.int32),
)

NOT_COMPOSABLE = {
    "no process": {},
    "a state without placement": {"double": double, "local": local},
    "a value of another type": {"double": double, "negate": negate},
}


@pytest.mark.parametrize("which", NOT_COMPOSABLE)
def test_what_cannot_be_chained_is_refused(which, golden):
    with pytest.raises(TypeError) as raised:
        tff.templates.chain_measured_processes(NOT_COMPOSABLE[which])
    golden.check(which, str(raised.value))
