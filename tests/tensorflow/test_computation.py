"""`tff.tensorflow.computation`: types, containers, constants, nesting and errors."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
import re
from typing import NamedTuple

import attrs
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors, structure, tracing, types
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.tensorflow import computation

pytestmark = pytest.mark.usefixtures("engine")


class Point(NamedTuple):
    x: object
    y: object


@attrs.define
class Box:
    low: object
    high: object


def test_a_string_comes_back_as_bytes():
    assert computation(lambda: "Hello, World!")() == b"Hello, World!"


@pytest.mark.parametrize(
    ("constant", "shown"), [(5, "int32"), (0.5, "float32"), (True, "bool"), ("x", "str")]
)
def test_python_constants_become_tensors(constant, shown):
    assert str(computation(lambda: constant).type_signature) == f"( -> {shown})"


def test_a_scalar_is_a_numpy_scalar_of_the_declared_dtype():
    result = computation(lambda x: x + 0.5, np.float32)(1.0)
    assert isinstance(result, np.float32)
    assert result == 1.5


def test_the_parameter_has_the_names_of_the_function():
    @computation(np.int32, np.float32)
    def fn(x, y):
        return tf.cast(x, tf.float32) * y

    assert str(fn.type_signature) == "(<x=int32,y=float32> -> float32)"
    assert fn(3, 0.5) == 1.5


@pytest.mark.parametrize(
    "container",
    [
        collections.OrderedDict(b=1, a=2),
        {"b": 1, "a": 2},
        Point(1, 2),
        Box(1, 2),
        [1, 2],
        (1, 2),
        (1, [Point(2, {"z": 3})]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_containers_come_back_in_order(container):
    result = computation(lambda: container)()
    assert type(result) is type(container)
    assert result == container
    if isinstance(container, dict):
        assert list(result) == list(container)


@pytest.mark.parametrize("container", [{"b": 1, "a": 2}, Point(1, 2), Box(1, 2), [1, 2], (1, 2)])
def test_the_function_gets_the_container_of_the_type(container):
    seen = []

    def fn(value):
        seen.append(value)
        return value

    assert computation(fn)(container) == container
    assert [type(value) for value in seen] == [type(container)]


def test_a_struct_without_container_is_read_by_attribute_index_and_key():
    struct_type = types.StructType([("a", np.int32), ("b", np.int32), ("c", np.int32)])
    fn = computation(lambda s: s.a + 10 * s[1] + 100 * s["c"], struct_type)
    assert fn(structure.Struct([("a", 1), ("b", 2), ("c", 3)])) == 321


def test_a_variable_as_result_is_its_last_value():
    @computation(np.int32)
    def fn(x):
        v = tf.Variable(1)
        v.assign_add(x)
        return v

    assert fn(4) == 5


def test_arrays_of_strings():
    fn = computation(lambda x: tf.strings.join([x, x]), types.TensorType(np.str_, [None]))
    result = fn(["a", "bc"])
    assert result.dtype == object
    assert result.tolist() == [b"aa", b"bcbc"]


def test_unknown_dimensions_and_ranks():
    fn = computation(lambda x, y: (x[1:], tf.size(y)), (np.float32, [None]), _any_rank())
    assert (
        str(fn.type_signature) == "(<x=float32[?],y='float32'(shape=None)> -> <float32[?],int32>)"
    )
    tail, size = fn([1.0, 2.0], np.zeros((2, 3), np.float32))
    assert tail.tolist() == [2.0]
    assert size == 6


def _any_rank():
    return types.TensorType(np.float32, None)


def test_a_polymorphic_computation_takes_each_type():
    double = computation(lambda x: x + x)
    assert double(2) == 4
    assert double(1.5) == 3.0
    assert double("ab") == b"abab"


def test_a_def_is_converted_by_autograph():
    @computation(np.int32)
    def collatz(n):
        steps = 0
        while n > 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
        return steps

    assert collatz(6) == 8


def test_computations_are_inlined_in_computations():
    double = computation(lambda x: 2 * x, np.int32)
    add = computation(lambda x, y: x + y)

    @computation(np.int32)
    def fn(x):
        return add(double(x), double(3)) + add(x, 1)

    assert fn(5) == 22


def test_a_portable_computation_is_inlined():
    scale = portable_computation(lambda x, y: {"z": x * y}, np.float32, np.float32)
    fn = computation(lambda x: scale(x, 2.0)["z"] + 1.0, np.float32)
    assert fn(3.0) == 7.0


def test_a_computation_may_be_made_while_another_is_traced():
    @computation(np.int32)
    def outer(x):
        variable = tf.Variable(1)
        inner = computation(lambda y: tf.Variable(10).assign_add(y), np.int32)
        return variable.assign_add(inner(x))

    assert [outer(5), outer(5)] == [16, 16]


def test_gradient_tapes_work_across_inner_computations():
    square = computation(lambda x: x * x, np.float32)

    @computation(np.float32)
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = square(x)
        return tape.gradient(y, x)

    assert slope(3.0) == 6.0


def test_a_wrong_argument_of_an_inner_computation_is_named():
    inner = computation(lambda x: x, types.to_type({"a": np.int32, "b": (np.int32, [2])}))
    with pytest.raises(errors.TypeMismatchError) as caught:
        computation(lambda: inner({"a": 1.5, "b": [1, 2, 3]}))
    assert caught.value.problems == (
        "value.a: expected int32, got a float",
        "value.b: expected int32[2], got int32[3]",
    )


@pytest.mark.parametrize("use_autograph", [True, False])
def test_a_federated_computation_cannot_be_called(use_autograph):
    federated = tracing.federated_computation(lambda x: x, np.int32)

    def fn(x):
        return federated(x)

    with pytest.raises(TypeError, match="cannot be called inside the TensorFlow"):
        computation(fn if use_autograph else lambda x: federated(x), np.int32)


def test_a_placed_parameter_is_refused():
    from tensorflow_federated.core import placements

    placed = types.FederatedType(np.int32, placements.CLIENTS)
    with pytest.raises(errors.TypeMismatchError, match=re.escape("{int32}@CLIENTS")):
        computation(lambda x: x, placed)


def test_a_function_that_forgets_to_return():
    def forgetful(x):
        tf.add(x, 1)

    with pytest.raises(ValueError, match="`forgetful` returns nothing") as caught:
        computation(forgetful, np.int32)
    assert isinstance(caught.value, errors.TracingError)
    assert re.fullmatch(r"test_computation\.py:\d+ in `forgetful`", str(caught.value.where))


def test_an_error_in_the_function_keeps_its_class():
    def fn(x):
        raise KeyError("missing")

    with pytest.raises(KeyError):
        computation(fn, np.int32)


def test_an_error_of_ours_in_a_converted_function_is_told_with_its_line():
    with pytest.raises(errors.PlacementError) as caught:

        @tff.tensorflow.computation(np.float32)
        def total(x):
            return tff.federated_sum(x)

    assert caught.value.where is not None
    assert caught.value.where.endswith("in `total`")


def test_a_federated_value_cannot_enter_a_computation():
    def total(x):
        return tff.tensorflow.computation(lambda y: y + x, np.float32)

    with pytest.raises(errors.TracingError, match="holds no data"):
        tff.federated_computation(total, tff.FederatedType(np.float32, tff.SERVER))


def test_an_operation_of_tensorflow_on_a_federated_value_is_a_value_error_as_in_tff():
    with pytest.raises(ValueError, match="holds no data"):
        tff.federated_computation(lambda x: tf.add(x, 1), tff.FederatedType(np.int32, tff.CLIENTS))
