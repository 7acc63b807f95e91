"""Tests that run in contexts: functions, methods and coroutines, with absl and without."""

from __future__ import annotations

import contextlib
import unittest

import pytest
from absl.testing import parameterized

import tensorflow_federated as tff
from tensorflow_federated.core import errors

native = tff.backends.native


@tff.federated_computation
def count_clients():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


def with_clients(number):
    return lambda: native.create_sync_local_cpp_execution_context(default_num_clients=number)


TWO = ("two", with_clients(2))
THREE = {"testcase_name": "three", "context_fn": with_clients(3)}
ASYNC = ("async", lambda: native.create_async_local_cpp_execution_context(default_num_clients=4))


def outcomes(cls):
    """Runs a test case; the names of its tests, and the messages of those that failed."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(cls)
    names = sorted(test.id().rpartition(".")[2] for test in suite)
    result = unittest.TestResult()
    suite.run(result)
    failed = [message for _, message in [*result.failures, *result.errors]]
    return names, failed


def test_a_function_runs_in_the_context():
    @tff.test.with_context(with_clients(2))
    def body(argument, *, keyword):
        """Some words."""
        return count_clients(), argument, keyword

    assert body(1, keyword=2) == (2, 1, 2)
    assert (body.__name__, body.__doc__) == ("body", "Some words.")


def test_each_call_has_a_context_of_its_own():
    made = []

    def make():
        made.append(with_clients(1)())
        return made[-1]

    @tff.test.with_context(make)
    def body():
        return tff.framework.get_context_stack().current

    assert [body(), body()] == made
    assert made[0] is not made[1]


def test_an_environment_is_entered_inside_the_context_and_left():
    log = []

    @contextlib.contextmanager
    def environment(name):
        log.append(f"enter {name} with {count_clients()}")
        yield
        log.append(f"leave {name}")

    @tff.test.with_context(with_clients(2), lambda: [environment("a"), environment("b")])
    def body():
        log.append("body")

    body()
    assert log == ["enter a with 2", "enter b with 2", "body", "leave b", "leave a"]


def test_the_context_ends_with_the_function():
    before = tff.framework.get_context_stack().current

    @tff.test.with_context(with_clients(2))
    def body():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()
    assert tff.framework.get_context_stack().current is before


def test_methods_of_a_test_case_run_in_the_context():
    class Case(unittest.IsolatedAsyncioTestCase):
        @tff.test.with_context(with_clients(2))
        def test_sync(self):
            assert count_clients() != 2

        @tff.test.with_context(ASYNC[1])
        async def test_async(self):
            assert await count_clients() != 4

    names, failed = outcomes(Case)
    assert names == ["test_async", "test_sync"]
    assert len(failed) == 2


def test_a_function_runs_in_all_contexts():
    seen = []

    @tff.test.with_contexts(TWO, THREE)
    def body(argument):
        seen.append((int(count_clients()), argument))

    body("x")
    assert seen == [(2, "x"), (3, "x")]


def test_one_iterable_of_contexts_is_taken():
    seen = []

    @tff.test.with_contexts([TWO, THREE])
    def body():
        seen.append(int(count_clients()))

    body()
    assert seen == [2, 3]


def test_a_failure_names_its_context():
    @tff.test.with_contexts(TWO, THREE)
    def body():
        assert count_clients() == 2

    with pytest.raises(AssertionError) as raised:
        body()
    assert raised.value.__notes__ == ["in the context `three`"]


def test_methods_of_a_plain_test_case_run_in_all_contexts():
    seen = []

    class Case(unittest.IsolatedAsyncioTestCase):
        @tff.test.with_contexts(TWO, THREE)
        def test_sync(self):
            seen.append(int(count_clients()))

        @tff.test.with_contexts(ASYNC)
        async def test_async(self):
            seen.append(int(await count_clients()))

        @tff.test.with_contexts(TWO)
        async def test_failing(self):
            self.fail("on purpose")

    names, failed = outcomes(Case)
    assert names == ["test_async", "test_failing", "test_sync"]
    assert sorted(seen) == [2, 3, 4]
    assert ["on purpose" in message for message in failed] == [True]


def test_absl_makes_a_test_of_each_context():
    seen = []

    class Case(parameterized.TestCase, unittest.IsolatedAsyncioTestCase):
        @tff.test.with_contexts(TWO, THREE)
        def test_sync(self):
            seen.append(int(count_clients()))

        @tff.test.with_contexts(TWO)
        def testCamel(self):
            seen.append(int(count_clients()))

        @tff.test.with_contexts(ASYNC)
        async def test_async(self):
            seen.append(int(await count_clients()))

        @tff.test.with_contexts(TWO, THREE)
        def test_failing(self):
            assert count_clients() == 2

    names, failed = outcomes(Case)
    assert names == [
        "testCameltwo",
        "test_async_async",
        "test_failing_three",
        "test_failing_two",
        "test_sync_three",
        "test_sync_two",
    ]
    assert sorted(seen) == [2, 2, 3, 4]
    assert ["in the context `three`" in message for message in failed] == [True]


@tff.test.with_contexts(TWO, THREE)
def test_pytest_collects_a_function_and_gives_it_fixtures(tmp_path):
    assert tmp_path.exists()
    assert count_clients() in (2, 3)


def test_no_context_is_refused():
    with pytest.raises(ValueError, match="at least one context"):
        tff.test.with_contexts()


@pytest.mark.parametrize(
    "given",
    [("name",), ("name", 3), (with_clients(1), "name"), {"name": "a"}, "name", ("a", max, 3)],
)
def test_what_is_no_named_context_is_refused(given):
    with pytest.raises(errors.ArgumentError, match=r"named_contexts\[0\]: got"):
        tff.test.with_contexts(given, TWO)


def test_what_is_no_function_is_refused():
    with pytest.raises(errors.ArgumentError, match="context_fn: got"):
        tff.test.with_context(native.create_sync_local_cpp_execution_context())
    with pytest.raises(errors.ArgumentError, match="environment_fn: got"):
        tff.test.with_context(with_clients(1), [])
