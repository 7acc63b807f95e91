"""The contexts of `tff.backends`, under the names of all versions, and its transformations."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

framework = tff.framework
native, test, xla = tff.backends.native, tff.backends.test, tff.backends.xla
STACK = framework.get_context_stack()

# Every function that creates a context, and how it is told the number of clients.
CREATORS = {
    native.create_sync_local_cpp_execution_context: "default_num_clients",
    native.create_async_local_cpp_execution_context: "default_num_clients",
    native.create_local_execution_context: "num_clients",
    native.create_local_python_execution_context: "default_num_clients",
    native.create_localhost_cpp_execution_context: "default_num_clients",
    native.create_thread_debugging_execution_context: "default_num_clients",
    native.create_local_async_python_execution_context: "default_num_clients",
    test.create_sync_test_cpp_execution_context: "default_num_clients",
    test.create_async_test_cpp_execution_context: "default_num_clients",
    test.create_test_execution_context: "num_clients",
    test.create_test_python_execution_context: "default_num_clients",
    xla.create_local_python_execution_context: None,
    xla.create_local_execution_context: None,
}


@tff.federated_computation
def count_clients():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


@tff.federated_computation
def one_of_each():
    return tff.federated_eval(tff.jax.computation(lambda: 1), tff.CLIENTS)


@tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
def mean(values):
    return tff.federated_mean(values)


@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def secure_total(values):
    return tff.federated_secure_sum_bitwidth(values, bitwidth=8)


@pytest.fixture
def default_context():
    """Puts the default context back after a test that sets one."""
    before = STACK.current
    yield
    framework.set_default_context(before)


def setter_of(create):
    module = next(m for m in (native, test, xla) if getattr(m, create.__name__, None) is create)
    return getattr(module, create.__name__.replace("create_", "set_"))


def called(computation):
    result = computation()
    return asyncio.run(result) if inspect.iscoroutine(result) else result


@pytest.mark.parametrize("create", CREATORS, ids=lambda each: each.__name__)
def test_a_context_counts_the_clients_that_no_argument_tells(create):
    keyword = CREATORS[create]
    arguments = {} if keyword is None else {keyword: 3}
    expected = 0 if keyword is None else 3
    with STACK.install(create(**arguments)):
        assert called(count_clients) == expected
        assert called(one_of_each) == [1] * expected


@pytest.mark.parametrize("create", CREATORS, ids=lambda each: each.__name__)
def test_a_context_becomes_the_default_one(default_context, create):
    set_default = setter_of(create)
    assert inspect.signature(set_default).parameters == inspect.signature(create).parameters
    set_default()
    assert type(STACK.current) is type(create())
    assert called(count_clients) == 0


def test_contexts_are_of_the_public_classes():
    sync = native.create_sync_local_cpp_execution_context()
    in_loop = native.create_async_local_cpp_execution_context()
    assert isinstance(sync, framework.SyncExecutionContext)
    assert isinstance(in_loop, framework.AsyncExecutionContext)
    assert isinstance(sync.executor_factory, framework.ExecutorFactory)
    assert isinstance(in_loop.executor_factory, framework.ExecutorFactory)


@pytest.mark.parametrize(
    "clients",
    [[1.0, 2.0], np.array([1, 2], np.float32), {"a": 1.0, "b": 2.0}.values(), map(float, [1, 2])],
    ids=["list", "array", "view", "iterator"],
)
def test_an_argument_that_tells_the_number_of_clients_goes_before_the_default(clients):
    with STACK.install(native.create_sync_local_cpp_execution_context(default_num_clients=5)):
        assert mean(clients) == 1.5


def test_the_arguments_of_runtimes_that_are_no_more_are_taken():
    context = native.create_local_python_execution_context(
        default_num_clients=2,
        max_fanout=10,
        clients_per_thread=4,
        server_tf_device=None,
        client_tf_devices=(),
    )
    with STACK.install(context):
        assert count_clients() == 2


@pytest.mark.parametrize("number", [-1, "two", 1.5])
def test_a_number_of_clients_that_is_none_is_refused(number):
    with pytest.raises(
        errors.ArgumentError, match="`default_num_clients` is an integer, 0 or more"
    ):
        native.create_sync_local_cpp_execution_context(default_num_clients=number)


@tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
def sum_of_inverses(values):
    inverse = tff.jax.computation(lambda x: 1 / x, np.float32)
    return tff.federated_sum(tff.federated_map(inverse, values))


def call_in(context, *arguments):
    with STACK.install(context):
        result = sum_of_inverses(*arguments)
        return asyncio.run(result) if inspect.isawaitable(result) else result


@pytest.mark.parametrize(
    "create",
    [
        native.create_sync_local_cpp_execution_context,
        native.create_async_local_cpp_execution_context,
    ],
)
def test_a_context_leaves_out_clients_that_fail_and_tells_which(create):
    context = create(on_client_failure="drop", non_finite="fail")
    assert call_in(context, [2.0, 0.0, 4.0, 0.0]) == 0.75
    assert [each.client_index for each in context.last_failures] == [1, 3]
    assert call_in(context, [2.0, 4.0]) == 0.75
    assert context.last_failures == ()


def test_clients_are_not_left_out_unless_that_is_asked_for():
    context = native.create_sync_local_cpp_execution_context(non_finite="fail")
    with pytest.raises(errors.ClientError) as raised:
        call_in(context, [2.0, 0.0])
    assert raised.value.client_index == 1
    assert context.last_failures == ()


def test_a_seed_repeats_what_clients_draw(engine):
    from tensorflow_federated.core import local_intrinsics

    @tff.federated_computation
    def keys():
        return tff.federated_eval(
            tff.federated_computation(lambda: local_intrinsics.random_key()), tff.CLIENTS
        )

    def drawn(seed):
        context = native.create_sync_local_cpp_execution_context(default_num_clients=2, seed=seed)
        with STACK.install(context):
            return np.array(keys()).tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("create", [native.create_sync_local_cpp_execution_context])
def test_a_context_that_simulates_nothing_refuses_secure_sums(create):
    with STACK.install(create(simulate_secure=False)), pytest.raises(errors.PrivacyError):
        secure_total([1, 2])
    with STACK.install(create()):
        assert secure_total([1, 2]) == 3


def test_the_test_context_simulates_secure_sums():
    with STACK.install(test.create_sync_test_cpp_execution_context()):
        assert secure_total([1, 2]) == 3


@pytest.mark.parametrize(
    "transform", [native.transform_to_native_form, native.desugar_and_transform_to_native]
)
def test_a_native_form_computes_the_same(engine, transform):
    transformed = transform(mean)
    assert isinstance(transformed, framework.ConcreteComputation)
    assert transformed.type_signature == mean.type_signature
    assert transformed([1.0, 2.0]) == 1.5


def test_desugared_means_are_sums():
    text = str(native.desugar_and_transform_to_native(mean).to_building_block())
    assert "federated_mean" not in text
    assert "federated_sum" in text


def test_without_secure_intrinsics_the_result_is_the_same(engine):
    plain = test.replace_secure_intrinsics_with_bodies(secure_total)
    tff.test.assert_not_contains_secure_aggregation(plain)
    assert plain.type_signature == secure_total.type_signature
    assert plain([1, 2]) == secure_total([1, 2]) == 3


def test_what_has_no_secure_intrinsics_stays_as_it_is():
    plain = test.replace_secure_intrinsics_with_bodies(mean)
    assert plain.to_building_block() is mean.to_building_block()


@pytest.mark.parametrize(
    "transform",
    [
        native.transform_to_native_form,
        native.desugar_and_transform_to_native,
        test.replace_secure_intrinsics_with_bodies,
    ],
)
def test_what_is_no_computation_is_not_transformed(transform):
    with pytest.raises(errors.ArgumentError, match="comp: got"):
        transform(lambda x: x)


def test_remote_contexts_say_what_to_take():
    with pytest.raises(AttributeError, match="create_sync_local_cpp_execution_context"):
        _ = native.set_remote_python_execution_context
