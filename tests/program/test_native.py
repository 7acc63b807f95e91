"""Federated contexts: calls give references, which are awaited."""

from __future__ import annotations

import asyncio
import collections
from typing import NamedTuple

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import contexts, errors
from tensorflow_federated.execution.contexts import create_local_context


class Pair(NamedTuple):
    x: object
    y: object


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def total(values):
    return tff.federated_sum(values)


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def stay(values):
    return values


CONTEXTS = {
    "async": tff.backends.native.create_async_local_cpp_execution_context,
    "sync": tff.backends.native.create_sync_local_cpp_execution_context,
}


@pytest.fixture(params=CONTEXTS)
def context(request):
    return tff.program.NativeFederatedContext(CONTEXTS[request.param]())


def run(context, main):
    async def entered():
        with tff.framework.get_context_stack().install(context):
            return await main()

    return asyncio.run(entered())


def test_a_call_gives_a_reference(context):
    async def main():
        reference = total([1, 2, 3])
        assert isinstance(reference, tff.program.NativeValueReference)
        assert reference.type_signature == tff.TensorType(np.int32)
        return await reference.get_value()

    assert run(context, main) == 6


def test_references_are_arguments(context):
    async def main():
        return await tff.program.materialize_value(add(add(1, 2), y=total([3, 4])))

    assert run(context, main) == 10


def test_a_result_keeps_its_containers(context):
    make = tff.jax.computation(
        lambda: collections.OrderedDict(a=1, b=(2.0, Pair(3, 4)), c=[]),
    )

    async def main():
        references = make()
        assert isinstance(references["b"][1], Pair)
        assert references["b"][0].type_signature == tff.TensorType(np.float32)
        value = await tff.program.materialize_value(references)
        return value, await tff.program.materialize_value({1: references["a"]})

    value, other = run(context, main)
    assert value == collections.OrderedDict(a=1, b=(2.0, Pair(3, 4)), c=[])
    assert other == {1: 1}


def test_a_structure_of_references_is_an_argument(context):
    pair_type = tff.StructWithPythonType([("x", np.int32), ("y", np.int32)], Pair)
    swap = tff.jax.computation(lambda pair: Pair(pair.y, pair.x), pair_type)

    async def main():
        return await tff.program.materialize_value(swap(swap(Pair(add(1, 0), 2))))

    assert run(context, main) == Pair(1, 2)


def test_calls_run_beside_the_loop(context):
    async def main():
        reference = total([1, 2])
        ticks = 0
        while not reference._task.done():
            ticks += 1
            await asyncio.sleep(0)
        return ticks

    assert run(context, main) > 0


def test_who_stops_waiting_stops_no_computation(context):
    async def main():
        reference = total([1, 2])
        waiting = asyncio.ensure_future(reference.get_value())
        await asyncio.sleep(0)
        waiting.cancel()
        return await reference.get_value()

    assert run(context, main) == 3


def test_a_computation_that_failed_says_where_it_was_called(context):
    async def main():
        await tff.program.materialize_value(total([1, "x"]))

    with pytest.raises(TypeError, match=r"test_native\.py") as caught:
        run(context, main)
    assert isinstance(caught.value, errors.FederatedError)
    files = [each.path.name for each in caught.traceback]
    assert files[-1] == "test_native.py"


def test_materialize_leaves_values_as_they_are():
    value = {"a": [1, Pair(2, None)], "b": "text"}
    assert asyncio.run(tff.program.materialize_value(value)) is value


# Source: TFF 0.87.
@pytest.mark.parametrize(
    ("type_spec", "expected"),
    [
        (np.int32, True),
        (tff.FederatedType(np.int32, tff.SERVER), True),
        (tff.FederatedType(np.int32, tff.CLIENTS), False),
        (tff.SequenceType(np.int32), True),
        (tff.FunctionType(None, np.int32), False),
        ((np.int32, tff.FederatedType(np.int32, tff.SERVER)), True),
        ((np.int32, tff.FederatedType(np.int32, tff.CLIENTS)), False),
    ],
)
def test_what_a_program_can_be_given(type_spec, expected):
    assert tff.program.contains_only_server_placed_data(tff.to_type(type_spec)) is expected


def test_in_a_federated_context_the_check_passes(context):
    async def main():
        tff.program.check_in_federated_context()

    run(context, main)


@pytest.mark.parametrize(
    ("name", "call", "builtin"),
    [
        ("no loop", lambda context: add(1, 2), RuntimeError),
        ("a result at the clients", lambda context: stay([1]), ValueError),
        ("no type", lambda context: tff.program.contains_only_server_placed_data(3), TypeError),
        ("no context", lambda context: tff.program.NativeFederatedContext(3), TypeError),
        ("a federated one", tff.program.NativeFederatedContext, TypeError),
    ],
)
def test_a_mistake_says_what_to_write(name, call, builtin, golden):
    context = tff.program.NativeFederatedContext(CONTEXTS["async"]())
    with (
        tff.framework.get_context_stack().install(context),
        pytest.raises(builtin) as caught,
    ):
        call(context)
    assert isinstance(caught.value, errors.FederatedError)
    golden.check(name, str(caught.value))


def test_another_context_is_told(golden):
    # Tests of other files may set another default context than this one.
    with (
        contexts.install(create_local_context()),
        pytest.raises(ValueError, match="no federated one") as caught,
    ):
        tff.program.check_in_federated_context()
    golden.check("another context", str(caught.value))
