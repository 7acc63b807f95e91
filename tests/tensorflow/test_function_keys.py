"""Functions that are known to do the same."""

from __future__ import annotations

import collections
import functools
import random
import time
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.tensorflow import function_keys

SIZE = 3
LIST = [1]
ARRAY = np.ones(2)
Pair = collections.namedtuple("Pair", ["a", "b"])


def made(closed_over: Any) -> Any:
    def function(x):
        return x, closed_over

    return function


def helper(x):
    return tf.reshape(x, [SIZE])


def is_known(function: Any) -> bool:
    try:
        function_keys.key_of(function)
    except function_keys.UnknownKeyError:
        return False
    return True


@pytest.mark.parametrize("value", [1, 1.5, "a", b"a", None, True, (1, "b"), tf.float32, np.int32])
def test_functions_of_the_same_constant_are_the_same(value):
    assert function_keys.key_of(made(value)) == function_keys.key_of(made(value))


@pytest.mark.parametrize(
    ("first", "second"), [(1, 2), (1, 1.0), (1, True), (0.0, -0.0), ((1,), (1, 1)), ("a", b"a")]
)
def test_functions_of_other_constants_are_not_the_same(first, second):
    assert function_keys.key_of(made(first)) != function_keys.key_of(made(second))


def test_another_global_is_another_function(monkeypatch):
    before = function_keys.key_of(lambda x: helper(x))
    function = lambda x: tf.reshape(x, [SIZE])  # noqa: E731
    own = function_keys.key_of(function)
    monkeypatch.setitem(globals(), "SIZE", 4)
    assert function_keys.key_of(function) != own
    assert function_keys.key_of(lambda x: helper(x)) != before


def test_defaults_count():
    def build(default):
        def function(x, size=default, *, other=default):
            return x, size, other

        return function

    assert function_keys.key_of(build(1)) == function_keys.key_of(build(1))
    assert function_keys.key_of(build(1)) != function_keys.key_of(build(2))


KNOWN: dict[str, Any] = {
    "collections": lambda x: collections.OrderedDict(x=tf.reshape(x, [-1, 784])),
    "helper": lambda x: helper(x),
    "named tuple": lambda x: Pair(x, x),
    "numpy": lambda x: tf.cast(x, np.float32),
    "comprehension": lambda x: [each + SIZE for each in (x, x)],
}
UNKNOWN: dict[str, Any] = {
    "array": lambda x: x + ARRAY,
    "list": lambda x: x + LIST[0],
    "module of the user": lambda x: x + time.time(),
    "numpy's random numbers": lambda x: x + np.random.rand(),
    "random": lambda x: x + random.random(),
    "partial": functools.partial(helper, 1),
    "method": made([]).__call__,
    "closed-over list": made([]),
    "missing": lambda x: missing_name(x),  # type: ignore[name-defined]  # noqa: F821
    "tf.function": tf.function(helper),
}


@pytest.mark.parametrize("function", KNOWN.values(), ids=KNOWN)
def test_what_reads_constants_alone_is_known(function):
    assert is_known(function)


@pytest.mark.parametrize("function", UNKNOWN.values(), ids=UNKNOWN)
def test_what_may_change_is_not_known(function):
    assert not is_known(function)


def test_what_writes_into_its_closure_is_not_known():
    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return x

    assert counted(1) == count
    assert not is_known(counted)
