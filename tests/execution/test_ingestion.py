"""Arguments that are made where they are used, in every context that runs computations."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import tensorflow_federated as tff

framework = tff.framework
INT = tff.TensorType(np.int32)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)


@tff.jax.computation(np.int32)
def double(x):
    return 2 * x


@tff.federated_computation(AT_CLIENTS)
def double_each(values):
    return tff.federated_map(double, values)


@tff.federated_computation(AT_SERVER)
def give_to_all(value):
    return tff.federated_map(double, tff.federated_broadcast(value))


@tff.federated_computation(AT_CLIENTS)
def total(values):
    return tff.federated_sum(values)


@tff.federated_computation(AT_CLIENTS, AT_CLIENTS)
def both(a, b):
    return tff.federated_sum(a), tff.federated_sum(b)


@pytest.fixture(params=["engine", "sync"])
def in_context(request):
    """Runs the test in a context of an engine, and in one of an executor factory."""
    if request.param == "engine":
        yield
    else:
        context = tff.backends.native.create_sync_local_cpp_execution_context()
        with framework.get_context_stack().install(context):
            yield


class Unplaced(framework.Ingestable):
    """An integer that is made when it is used."""

    @property
    def type_signature(self):
        return INT


pytestmark = pytest.mark.usefixtures("in_context")


def test_the_result_of_a_computation_is_an_argument_of_another():
    descriptor = framework.DataDescriptor(double_each, [1, 2, 3], AT_CLIENTS, 3)
    assert descriptor.type_signature == AT_CLIENTS
    assert descriptor.cardinality == {tff.CLIENTS: 3}
    assert total(descriptor) == 12


def test_the_number_of_clients_is_that_of_the_descriptor():
    assert total(framework.DataDescriptor(give_to_all, 5, AT_SERVER, 4)) == 40


def test_without_a_computation_the_argument_is_the_value():
    assert total(framework.DataDescriptor(None, [2, 3], AT_CLIENTS, 2)) == 5


def test_a_descriptor_of_an_unplaced_value_has_no_number_of_clients():
    assert double(framework.CardinalityFreeDataDescriptor(double, 5, INT)) == 20
    assert framework.DataDescriptor(None, 5, AT_SERVER).cardinality == {}


def test_a_descriptor_without_a_number_takes_that_of_the_other_arguments():
    descriptor = framework.CardinalityFreeDataDescriptor(give_to_all, 1, AT_SERVER)
    assert both([1, 2, 3], descriptor) == (6, 6)


def test_the_argument_of_a_descriptor_may_be_one_itself():
    inner = framework.DataDescriptor(double_each, [1, 2], AT_CLIENTS, 2)
    assert total(framework.DataDescriptor(double_each, inner, AT_CLIENTS, 2)) == 12


def test_an_ingestable_of_the_user_makes_its_value():
    class Sum(Unplaced):
        async def ingest(self, executor):
            await asyncio.sleep(0)
            pair = await executor.create_struct([3, await executor.create_value(4, INT)])
            first = await executor.create_selection(pair, 0)
            return await executor.create_call(double, first) + pair[1]

    assert double(Sum()) == 20


def test_an_ingestable_may_do_without_a_coroutine():
    class Seven(Unplaced):
        def ingest(self, executor):
            return 7

    assert double(Seven()) == 14


def test_a_failure_while_a_value_is_made_arrives():
    class Broken(Unplaced):
        async def ingest(self, executor):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        double(Broken())


def test_a_value_is_made_also_where_an_event_loop_runs():
    async def call():
        return total(framework.DataDescriptor(double_each, [1, 2], AT_CLIENTS, 2))

    assert asyncio.run(call()) == 6


def test_a_descriptor_of_another_type_is_refused():
    with pytest.raises(tff.types.TypeNotAssignableError):
        double(framework.CardinalityFreeDataDescriptor(None, 1.0, tff.TensorType(np.float32)))


@pytest.mark.parametrize(
    "descriptor",
    [
        framework.DataDescriptor(None, [1, 2], AT_CLIENTS, 3),
        framework.DataDescriptor(double_each, [1, 2], AT_CLIENTS, 3),
    ],
    ids=["value", "computation"],
)
def test_a_wrong_number_of_clients_is_refused(descriptor):
    with pytest.raises(ValueError, match="number of clients"):
        total(descriptor)


def test_arguments_disagree_with_a_descriptor():
    with pytest.raises(ValueError, match="disagree about the number of clients"):
        both(framework.DataDescriptor(None, [1, 2], AT_CLIENTS, 2), [1])


@pytest.mark.parametrize(
    "build",
    [
        lambda: framework.DataDescriptor(None, [1], AT_CLIENTS),
        lambda: framework.DataDescriptor(None, 1, AT_SERVER, 1),
        lambda: framework.DataDescriptor(
            double_each, [1.0], tff.FederatedType(np.float32, tff.CLIENTS), 1
        ),
        lambda: framework.CardinalityFreeDataDescriptor(tff.jax.computation(lambda: 1), 2, INT),
    ],
    ids=["no number", "a number at the server", "another type", "no parameter"],
)
def test_a_descriptor_that_does_not_fit_together_cannot_be_made(build):
    with pytest.raises(ValueError, match=r"."):
        build()


def test_values_named_by_uris_say_that_nothing_fetches_them():
    descriptor = framework.CreateDataDescriptor(["a", "b"], INT)
    assert descriptor.type_signature == AT_CLIENTS
    with pytest.raises(LookupError, match=r"uri: a\n +uri: b(.|\n)*DataDescriptor\(read, uris"):
        total(descriptor)
