"""Contexts of users and of this package, on the stack and at its bottom; executors under them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

framework = tff.framework
STACK = framework.get_context_stack()
CLIENT_VALUES = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.jax.computation(np.int32)
def double(x):
    return 2 * x


@tff.federated_computation(CLIENT_VALUES)
def total(values):
    return tff.federated_sum(values)


@tff.federated_computation(CLIENT_VALUES, CLIENT_VALUES)
def both(a, b):
    return tff.federated_sum(a), tff.federated_sum(b)


@tff.federated_computation
def count_clients():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


class Recording(framework.SyncContext):
    def invoke(self, comp, arg):
        return comp, arg


@pytest.fixture
def default_context():
    """Puts the default context back after a test that sets one."""
    before = STACK.current
    yield
    framework.set_default_context(before)


def run(context, fn):
    with STACK.install(context):
        return fn()


def test_a_context_of_the_user_gets_the_computation_and_the_argument():
    with STACK.install(Recording()) as context:
        assert STACK.current is context
        assert double(3) == (double, 3)
        assert count_clients() == (count_clients, None)
        comp, arg = both([1], b=[2])
    assert comp is both
    assert arg == tff.structure.Struct([("a", [1]), ("b", [2])])


@pytest.mark.parametrize("cls", [framework.SyncContext, framework.AsyncContext])
def test_a_context_has_to_say_how_it_invokes(cls):
    with pytest.raises(TypeError, match="abstract"):
        cls()


@pytest.mark.parametrize("use", [STACK.install, framework.set_default_context])
def test_what_is_no_context_is_refused(use):
    with pytest.raises(errors.ArgumentError, match=r"tff\.framework\.SyncContext"):
        use(object())


def test_the_default_context_is_seen_by_every_thread(default_context):
    framework.set_default_context(Recording())
    seen = []
    thread = threading.Thread(target=lambda: seen.append(double(1)))
    thread.start()
    thread.join()
    assert seen == [(double, 1)]
    assert double(1) == (double, 1)


def test_an_installed_context_goes_before_the_default_one(default_context):
    framework.set_default_context(tff.test.create_runtime_error_context())
    assert run(Recording(), lambda: double(1)) == (double, 1)


def test_without_a_context_a_call_says_how_to_set_one(default_context):
    tff.test.set_no_default_context()
    with pytest.raises(RuntimeError, match="set_sync_local_cpp_execution_context") as raised:
        double(1)
    assert isinstance(raised.value, errors.ContextError)
    assert type(raised.value).__name__ == "RuntimeError"


def test_an_execution_context_transforms_arguments_and_result():
    seen = []

    def transform(given):
        seen.append(given)
        return given

    context = framework.SyncExecutionContext(
        framework.local_cpp_executor_factory(),
        transform_args=transform,
        transform_result=lambda result: ("result", result),
    )
    assert run(context, lambda: total([1, 2])) == ("result", 3)
    assert run(context, lambda: both([1], b=[2])) == ("result", (1, 2))
    assert run(context, count_clients) == ("result", 0)
    assert seen == [[1, 2], [], {"a": [1], "b": [2]}]


def test_an_execution_context_compiles_each_computation_once():
    compiled = []

    def compiler(comp):
        compiled.append(comp)
        return tff.backends.native.transform_to_native_form(comp)

    context = framework.SyncExecutionContext(
        framework.local_cpp_executor_factory(), compiler_fn=compiler
    )
    assert run(context, lambda: (total([1]), total([2, 3]), double(2))) == (1, 5, 4)
    assert compiled == [total, double]


def test_an_execution_context_asks_for_the_number_of_clients():
    asked = []

    def infer(arg, type_spec):
        asked.append((arg, type_spec))
        return {tff.CLIENTS: 5}

    @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER))
    def multiply(x):
        return tff.federated_sum(tff.federated_broadcast(x))

    context = framework.SyncExecutionContext(
        framework.local_cpp_executor_factory(), cardinality_inference_fn=infer
    )
    assert run(context, lambda: multiply(2)) == 10
    assert asked == [(2, multiply.type_signature.parameter)]


def test_an_execution_context_wants_a_factory():
    with pytest.raises(TypeError, match="local_cpp_executor_factory"):
        framework.SyncExecutionContext(3)


class Flaky(framework.ExecutorFactory):
    """Makes executors that fail a few times before they work."""

    def __init__(self, failures):
        self.failures = failures
        self.log = []

    def create_executor(self, cardinalities):
        self.log.append(("create", cardinalities))
        return self

    def clean_up_executor(self, cardinalities):
        self.log.append(("clean up", cardinalities))

    def invoke(self, comp, arg):
        if self.failures:
            raise self.failures.pop()
        return comp, arg


def test_a_context_tries_again_when_an_executor_asks_for_it():
    factory = Flaky([framework.RetryableError(), framework.RetryableError()])
    context = framework.SyncExecutionContext(factory)
    assert context.executor_factory is factory
    assert run(context, lambda: total([1, 2])) == (total, [1, 2])
    two = {tff.CLIENTS: 2}
    assert factory.log == [("create", two), ("clean up", two)] * 2 + [("create", two)]


def test_another_failure_of_an_executor_arrives_and_it_is_cleaned_up():
    factory = Flaky([ZeroDivisionError("no")])
    with pytest.raises(ZeroDivisionError):
        run(framework.SyncExecutionContext(factory), lambda: double(1))
    assert [what for what, _ in factory.log] == ["create", "clean up"]


def test_a_resource_managing_factory_keeps_an_executor_until_it_fails():
    made = []

    class Executor:
        def __init__(self, cardinalities):
            self.cardinalities = cardinalities
            self.is_closed = False
            made.append(self)

        def invoke(self, comp, arg):
            if arg == [0]:
                raise ZeroDivisionError
            return len(made)

        def close(self):
            self.is_closed = True

    context = framework.SyncExecutionContext(framework.ResourceManagingExecutorFactory(Executor))
    assert run(context, lambda: [total([1]), total([2]), total([1, 2])]) == [1, 1, 2]
    with pytest.raises(ZeroDivisionError):
        run(context, lambda: total([0]))
    assert made[0].is_closed
    assert run(context, lambda: total([1])) == 3
    assert made[2].cardinalities == {tff.CLIENTS: 1}


def test_an_executor_may_be_handed_through():
    inner = framework.local_cpp_executor_factory(default_num_clients=3)
    outer = framework.ResourceManagingExecutorFactory(inner.create_executor)
    assert run(framework.SyncExecutionContext(outer), count_clients) == 3


def test_cardinalities_are_merged_where_they_agree():
    merged = framework.merge_cardinalities({tff.CLIENTS: 3}, {tff.SERVER: 1})
    assert merged == {tff.CLIENTS: 3, tff.SERVER: 1}
    with pytest.raises(ValueError, match="disagree"):
        framework.merge_cardinalities({tff.CLIENTS: 3}, {tff.CLIENTS: 1})
    with pytest.raises(TypeError, match="by placement"):
        framework.merge_cardinalities({"clients": 3}, {})
    with pytest.raises(TypeError, match="by placement"):
        framework.merge_cardinalities([], {})


def test_arguments_that_disagree_are_named_as_in_the_default_context():
    context = tff.backends.native.create_sync_local_cpp_execution_context()
    with pytest.raises(errors.CardinalityError) as raised:
        run(context, lambda: both([1, 2], [1]))
    assert raised.value.problems == (
        "argument.a: values of 2 clients",
        "argument.b: values of 1 clients",
    )
