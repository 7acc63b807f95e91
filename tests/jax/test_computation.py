"""`tff.jax.computation`: types, values and containers of computations on JAX arrays."""

from __future__ import annotations

import collections

import attrs
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import tensorflow_federated as tff

Point = collections.namedtuple("Point", ["x", "y"])
Empty = collections.namedtuple("Empty", [])
BATCH = tff.TensorType(np.float32, [None, 3])
VECTOR = tff.TensorType(np.float32, [None])
VECTOR_OF_INT8 = tff.TensorType(np.int8, [3])
NAMED = tff.to_type(collections.OrderedDict(a=np.int32, b=np.float32))


@attrs.define
class Attrs:
    x: object
    y: object


def signature(fn, *parameters):
    return str(tff.jax.computation(fn, *parameters).type_signature)


# What TFF 0.87 with JAX 0.4.14 prints for these functions.
TYPES_OF_TFF = [
    (lambda x: x + 1, [np.int32], "(int32 -> int32)"),
    (lambda: jnp.ones([2]), [], "( -> float32[2])"),
    (lambda: 10, [], "( -> int32)"),
    (lambda: 1.5, [], "( -> float32)"),
    (lambda: True, [], "( -> bool)"),
    (lambda: 1j, [], "( -> complex64)"),
    (lambda: np.int64(5), [], "( -> int32)"),
    (lambda: np.array([1, 2], np.int64), [], "( -> int32[2])"),
    (lambda x: ~x, [np.bool_], "(bool -> bool)"),
    (lambda x: (1, 2.0, True), [np.int32], "(int32 -> <int32,float32,bool>)"),
    (lambda x: (1.0, 1, x * 2), [np.float32], "(float32 -> <float32,int32,float32>)"),
    (lambda x: np.float64(2.0), [np.int32], "(int32 -> float32)"),
    (lambda x: np.ones([2], np.float64), [np.int32], "(int32 -> float32[2])"),
    (lambda x, y: (x, y), [np.int32, np.float32], "(<x=int32,y=float32> -> <int32,float32>)"),
    (lambda x, y: x + y, [np.int32, np.float32], "(<x=int32,y=float32> -> float32)"),
    (lambda x: Point(x, x), [np.int32], "(int32 -> <x=int32,y=int32>)"),
    (lambda x: [x, x], [np.int32], "(int32 -> <int32,int32>)"),
    (lambda x: (x, x), [np.int32], "(int32 -> <int32,int32>)"),
    (lambda x: {"b": x, "a": 2 * x}, [np.int32], "(int32 -> <a=int32,b=int32>)"),
    (
        lambda x: collections.OrderedDict(b=x, a=2 * x),
        [np.int32],
        "(int32 -> <b=int32,a=int32>)",
    ),
    (lambda x: (), [np.int32], "(int32 -> <>)"),
    (lambda x: {}, [np.int32], "(int32 -> <>)"),
    (lambda x: (Empty(), x), [np.int32], "(int32 -> <<>,int32>)"),
    (lambda s: s["a"] + s["b"], [NAMED], "(<a=int32,b=float32> -> float32)"),
    (lambda a, b: a + b, [NAMED], "(<a=int32,b=float32> -> float32)"),
    (lambda s: s, [NAMED], "(<a=int32,b=float32> -> <a=int32,b=float32>)"),
    (lambda s: s[0] + s[1], [[np.int32, np.float32]], "(<int32,float32> -> float32)"),
    (
        lambda s: Point(s.y, s.x),
        [Point(np.int32, np.float32)],
        "(<x=int32,y=float32> -> <x=float32,y=int32>)",
    ),
    (
        lambda s: s,
        [tff.StructType([(None, np.int32), ("a", np.int32)])],
        "(<int32,a=int32> -> <int32,a=int32>)",
    ),
    (lambda x: jnp.sum(x), [VECTOR_OF_INT8], "(int8[3] -> int32)"),
    (lambda x: jnp.mean(x), [VECTOR_OF_INT8], "(int8[3] -> float32)"),
    (lambda x: jnp.argmax(x), [VECTOR_OF_INT8], "(int8[3] -> int32)"),
    (lambda x: x * 3, [np.complex64], "(complex64 -> complex64)"),
    (lambda x: x * 2, [np.float16], "(float16 -> float16)"),
    (lambda x: x, [ml_dtypes.bfloat16], "(bfloat16 -> bfloat16)"),
    (lambda x: x + 1, [np.uint8], "(uint8 -> uint8)"),
    (jax.grad(lambda x: x**2), [np.float32], "(float32 -> float32)"),
    (jax.jit(lambda x: x**2), [np.float32], "(float32 -> float32)"),
    (lambda x: jax.lax.cond(x > 0, lambda: x, lambda: -x), [np.int32], "(int32 -> int32)"),
    (lambda s: jax.random.PRNGKey(s), [np.int32], "(int32 -> uint32[2])"),
]


@pytest.mark.parametrize(("fn", "parameters", "expected"), TYPES_OF_TFF)
def test_type_signatures_are_those_of_tff(fn, parameters, expected):
    assert signature(fn, *parameters) == expected


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: 2 * x, "float32[?,3]"),
        (lambda x: jnp.sum(x), "float32"),
        (lambda x: jnp.concatenate([x, x]), "float32[?,3]"),
        (lambda x: jnp.reshape(x, [-1]), "float32[?]"),
        (lambda x: x.T @ x, "float32[3,3]"),
        (lambda x: jnp.asarray(x.shape[0], jnp.int32), "int32"),
        # What a symbolic dimension cannot answer is traced at two sizes.
        (lambda x: jnp.sum(x) if x.shape[0] > 7 else jnp.max(x), "float32"),
        (lambda x: jnp.zeros([int(x.shape[0])]), "float32[?]"),
    ],
)
def test_dimensions_may_be_unknown(fn, expected):
    assert signature(fn, BATCH) == f"(float32[?,3] -> {expected})"


def test_unknown_dimensions_of_one_argument_are_one_size():
    assert signature(lambda x, y: x * y, BATCH, tff.TensorType(np.float32, [None, 1])).endswith(
        "-> float32[?,3])"
    )


def test_a_result_whose_form_depends_on_the_size_is_refused():
    def fn(x):
        return (x, x) if x.shape[0] > 30 else x

    with pytest.raises(TypeError, match="different types for different sizes"):
        tff.jax.computation(fn, BATCH)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_one_computation_takes_every_size(engine, rows):
    total = tff.jax.computation(lambda x: jnp.sum(x), BATCH)
    assert total(np.ones([rows, 3], np.float32)) == 3 * rows


def test_values_have_the_declared_dtypes(engine):
    computation = tff.jax.computation(
        lambda x: {"a": x + 1, "b": jnp.asarray([x, x], jnp.float16)}, np.int32
    )
    result = computation(4)
    assert isinstance(result["a"], np.generic)
    assert result["a"].dtype == np.int32
    assert result["a"] == 5
    assert isinstance(result["b"], np.ndarray)
    assert result["b"].dtype == np.float16


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        lambda pair: Point(*pair),
        lambda pair: Attrs(*pair),
        lambda p: {"x": p[0], "y": p[1]},
    ],
    ids=["list", "tuple", "named tuple", "attrs", "dict"],
)
def test_containers_go_in_and_come_out(engine, container):
    spec = container([np.int32, np.float32])
    seen = []

    def swap_signs(value):
        seen.append(type(value))
        return value

    computation = tff.jax.computation(swap_signs, tff.to_type(spec))
    result = computation(container([1, 2.0]))
    assert type(result) is type(spec)
    assert set(seen) == {type(spec)}
    assert result == container([1, 2.0])


def test_a_polymorphic_computation_is_traced_for_its_argument(engine):
    add_one = tff.jax.computation(lambda x: x + 1)
    assert add_one(1) == 2
    assert add_one(np.float32(1.5)) == np.float32(2.5)


def test_a_function_of_several_arguments_takes_names(engine):
    subtract = tff.jax.computation(lambda x, y: x - y, np.int32, np.int32)
    assert subtract(5, 3) == subtract(y=3, x=5) == 2


def test_another_jax_computation_becomes_part_of_it(engine):
    double = tff.jax.computation(lambda x: {"r": 2 * x}, np.float32)
    computation = tff.jax.computation(lambda x: double(x)["r"] + double(1.0)["r"], np.float32)
    assert computation(3.0) == 8.0


def test_an_inner_computation_checks_its_argument():
    double = tff.jax.computation(lambda x: 2 * x, np.float32)
    with pytest.raises(TypeError, match="expected float32, got int32"):
        tff.jax.computation(lambda x: double(x), np.int32)


def test_a_federated_computation_cannot_be_called_inside():
    outer = tff.federated_computation(lambda: tff.federated_value(1, tff.SERVER))
    with pytest.raises(TypeError, match="cannot be called inside a JAX computation"):
        tff.jax.computation(lambda: outer())


@pytest.mark.parametrize(
    ("parameter", "error", "text"),
    [
        (np.str_, ValueError, "JAX has no strings"),
        (tff.TensorType(np.float32, None), ValueError, "needs the rank"),
        (tff.SequenceType(np.int32), TypeError, "sequence_reduce"),
        (tff.FederatedType(np.int32, tff.CLIENTS), TypeError, "federated_map"),
        (tff.FunctionType(None, np.int32), TypeError, "expected tensors"),
    ],
)
def test_parameters_that_jax_cannot_take(parameter, error, text):
    with pytest.raises(error, match=text):
        tff.jax.computation(lambda x: 1, parameter)


def test_a_computation_has_to_return_a_value():
    with pytest.raises(TypeError, match="returns nothing"):
        tff.jax.computation(lambda x: None, np.int32)


@pytest.mark.parametrize("result", ["text", object(), {"a": {1.0}}], ids=type)
def test_a_result_that_is_no_array_is_an_error_that_says_where(result):
    with pytest.raises(TypeError, match=r"result.*: got"):
        tff.jax.computation(lambda: result)


def test_an_error_of_the_function_comes_through():
    def fail(x):
        raise ZeroDivisionError("in the function")

    with pytest.raises(ZeroDivisionError, match="in the function"):
        tff.jax.computation(fail, BATCH)


def test_a_wrong_argument_is_refused(engine):
    computation = tff.jax.computation(lambda x: x, np.int32)
    with pytest.raises(TypeError, match="int32"):
        computation(1.5)


def test_gradients_and_loops_of_jax_run(engine):
    @tff.jax.computation(VECTOR)
    def descend(x):
        return jax.lax.fori_loop(
            0, 3, lambda _, w: w - 0.5 * jax.grad(lambda v: jnp.sum(v**2) / 2)(w), x
        )

    np.testing.assert_allclose(descend([8.0, 16.0]), [1.0, 2.0])
