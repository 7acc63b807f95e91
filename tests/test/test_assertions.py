"""Assertions about types and aggregations."""

from __future__ import annotations

import unittest

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

INT, FLOAT = tff.TensorType(np.int32), tff.TensorType(np.float32)
VECTOR, ANY_VECTOR = tff.TensorType(np.int32, [3]), tff.TensorType(np.int32, [None])
LIST, TUPLE = tff.to_type([np.int32]), tff.to_type((np.int32,))
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)

local = tff.jax.computation(lambda: 1)


@tff.federated_computation(AT_CLIENTS)
def plain(values):
    return tff.federated_sum(values)


@tff.federated_computation(AT_CLIENTS)
def secure(values):
    return tff.federated_secure_sum_bitwidth(values, bitwidth=4)


@tff.federated_computation(AT_CLIENTS)
def mixed(values):
    return plain(values), secure(values)


@pytest.mark.parametrize(
    ("check", "first", "second"),
    [
        (tff.test.assert_type_assignable_from, ANY_VECTOR, VECTOR),
        (tff.test.assert_types_equivalent, LIST, TUPLE),
        (tff.test.assert_types_identical, LIST, tff.to_type([np.int32])),
        (tff.test.TestCase().assert_type_assignable_from, ANY_VECTOR, VECTOR),
        (tff.test.TestCase().assert_types_equivalent, LIST, TUPLE),
        (tff.test.TestCase().assert_types_identical, INT, INT),
    ],
)
def test_types_that_are_related_pass(check, first, second):
    check(first, second)


@pytest.mark.parametrize(
    ("check", "first", "second", "message"),
    [
        (
            tff.test.assert_type_assignable_from,
            VECTOR,
            ANY_VECTOR,
            r"expected int32\[3\], got int32\[\?\]",
        ),
        (tff.test.assert_types_equivalent, INT, FLOAT, "expected int32, got float32"),
        (tff.test.assert_types_identical, LIST, TUPLE, "list"),
        (tff.test.TestCase().assert_types_identical, LIST, TUPLE, "list"),
    ],
)
def test_types_that_are_not_related_are_a_failed_assertion(check, first, second, message):
    with pytest.raises(AssertionError, match=message) as raised:
        check(first, second)
    assert type(raised.value) is AssertionError


@pytest.mark.parametrize(
    ("computation", "has_secure", "has_unsecure"),
    [(plain, False, True), (secure, True, False), (mixed, True, True), (local, False, False)],
    ids=["plain", "secure", "mixed", "local"],
)
def test_aggregations_are_found(computation, has_secure, has_unsecure):
    for has_it, contains, contains_not in [
        (
            has_secure,
            tff.test.assert_contains_secure_aggregation,
            tff.test.assert_not_contains_secure_aggregation,
        ),
        (
            has_unsecure,
            tff.test.assert_contains_unsecure_aggregation,
            tff.test.assert_not_contains_unsecure_aggregation,
        ),
    ]:
        holds, fails = (contains, contains_not) if has_it else (contains_not, contains)
        holds(computation)
        with pytest.raises(AssertionError):
            fails(computation)


def test_the_failure_names_the_aggregation():
    with pytest.raises(AssertionError, match="federated_secure_sum_bitwidth"):
        tff.test.assert_not_contains_secure_aggregation(mixed)


@pytest.mark.parametrize("given", [3, lambda x: x, tff.jax.computation(lambda x: x)])
def test_only_a_computation_of_known_types_is_looked_into(given):
    with pytest.raises(errors.ArgumentError, match="comp: got"):
        tff.test.assert_contains_secure_aggregation(given)


def test_a_test_case_of_the_user_runs():
    class Case(tff.test.TestCase):
        def test_types(self):
            self.assert_types_identical(INT, FLOAT)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert (result.testsRun, len(result.failures), result.errors) == (1, 1, [])


def test_main_runs_the_test_cases_of_a_file(run_python):
    printed = run_python(
        """
        import sys
        import tensorflow_federated as tff

        sys.stderr = sys.stdout

        class Case(tff.test.TestCase):
            def test_one(self):
                self.assertEqual(tff.jax.computation(lambda: 1)(), 1)

        tff.test.main()
        """
    )
    assert "Ran 1 test" in printed
    assert printed.rstrip().endswith("OK")
