"""No number of 64 bits is cut to 32 where a type declares 64."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.jax import portable_computation

LARGE = 2**40
DTYPES = [np.int64, np.uint64, np.float64, np.complex128]


def signature(fn, *parameters):
    return str(tff.jax.computation(fn, *parameters).type_signature)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_declared_dtype_stays(engine, dtype):
    computation = tff.jax.computation(lambda x: x + 1, dtype)
    name = np.dtype(dtype).name
    assert str(computation.type_signature) == f"({name} -> {name})"
    result = computation(dtype(LARGE))
    assert result.dtype == dtype
    assert result == LARGE + 1


@pytest.mark.parametrize("number", [LARGE, np.int64(LARGE), np.array(LARGE), jnp.int32(7)])
def test_every_form_of_a_number_stays(engine, number):
    computation = tff.jax.computation(lambda x: x * 2, np.int64)
    result = computation(number)
    assert result.dtype == np.int64
    assert result == 2 * int(number)


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x, y: x + 1, "int64"),
        (lambda x, y: x.astype(jnp.int32), "int32"),
        (lambda x, y: y * 2.0, "float32"),
        (lambda x, y: jnp.where(y > 0, x, 0), "int64"),
        (lambda x, y: jax.lax.fori_loop(0, 3, lambda i, total: total + i, x), "int64"),
        (lambda x, y: jax.grad(lambda v: v * v)(y), "float32"),
        (lambda x, y: jnp.sum(jnp.arange(3, dtype=jnp.int32)), "int64"),
        (lambda x, y: jnp.zeros([]), "float64"),
        (lambda x, y: 1, "int64"),
    ],
)
def test_a_function_with_a_wide_parameter_is_traced_as_with_64_bits(fn, expected):
    assert signature(fn, np.int64, np.float32) == f"(<x=int64,y=float32> -> {expected})"


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: jnp.sum(x), "int32"),
        (lambda x: jnp.zeros([]), "float32"),
        (lambda x: (1, 1.0, 1j, True), "<int32,float32,complex64,bool>"),
        (lambda x: np.int64(7), "int32"),
        (lambda x: np.arange(2), "int32[2]"),
    ],
)
def test_other_functions_are_traced_with_32(fn, expected):
    assert signature(fn, tff.TensorType(np.int32, [3])) == f"(int32[3] -> {expected})"


def test_a_wide_leaf_deep_in_a_structure_counts(engine):
    state = tff.to_type(collections.OrderedDict(count=np.int64, weights=[np.float32]))
    computation = tff.jax.computation(
        lambda s: collections.OrderedDict(count=s["count"] + 1, weights=[s["weights"][0] * 0.5]),
        state,
    )
    assert computation.type_signature.result.is_identical_to(state)
    assert computation({"count": LARGE, "weights": [3.0]}) == {"count": LARGE + 1, "weights": [1.5]}


def test_where_the_user_turned_64_bits_on_they_are_kept(engine):
    with jax.enable_x64(True):
        computation = tff.jax.computation(lambda x: (x.astype(jnp.int64) * LARGE, 1), np.int32)
    assert str(computation.type_signature) == "(int32 -> <int64,int64>)"
    assert computation(3) == (3 * LARGE, 1)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (LARGE, "1099511627776 is out of the range of int32"),
        (np.int64(LARGE), "1099511627776 is out of the range of int32"),
        (np.array([1, -LARGE]), "-1099511627776 is out of the range of int32"),
        (np.float64(1e300), r"1e\+300 is out of the range of float32"),
    ],
)
def test_a_result_that_32_bits_do_not_hold_is_refused(result, text):
    with pytest.raises(TypeError, match=text):
        tff.jax.computation(lambda: result)


def test_what_a_closure_holds_is_looked_at_in_every_call(engine):
    counts = [np.int64(7)]
    computation = tff.jax.computation(lambda: counts[0])
    counts[0] = np.int64(LARGE)
    with pytest.raises(TypeError, match="out of the range of int32"):
        computation()


@pytest.mark.parametrize(
    ("dtype", "number"), [(np.int32, np.int64(1)), (np.float32, np.float64(1))]
)
def test_a_numpy_number_is_not_narrowed(engine, dtype, number):
    computation = tff.jax.computation(lambda x: x, dtype)
    with pytest.raises(TypeError, match=f"expected {np.dtype(dtype).name}, got {number.dtype}"):
        computation(number)


def test_an_inner_computation_keeps_its_64_bits(engine):
    inner = tff.jax.computation(lambda x: x + 1, np.int64)
    outer = tff.jax.computation(lambda x, y: inner(x) * 2 + y, np.int64, np.int32)
    assert str(outer.type_signature.result) == "int64"
    assert outer(LARGE, 1) == 2 * LARGE + 3


@pytest.mark.parametrize("decorator", [tff.jax.computation, portable_computation])
def test_64_bits_do_not_flow_into_a_function_with_32(decorator):
    inner = decorator(lambda x: x + 1, np.int64)
    with pytest.raises(ValueError, match="gives 64 bits to a computation in which JAX has 32"):
        tff.jax.computation(lambda x: inner(5) + x, np.int32)


def test_a_narrow_result_of_an_inner_wide_computation_is_welcome(engine):
    inner = tff.jax.computation(lambda x: x > 2**35, np.int64)
    outer = tff.jax.computation(lambda x: jnp.where(inner(LARGE), x, 0), np.int32)
    assert outer(3) == 3


CLIENTS_DATA = tff.FederatedType(tff.SequenceType(tff.TensorType(np.int64, [None])), tff.CLIENTS)


@tff.jax.computation(np.int64, tff.TensorType(np.int64, [None]))
def add_batch(total, batch):
    return total + jnp.sum(batch)


@tff.federated_computation(CLIENTS_DATA)
def totals(data):
    def total(own):
        return tff.sequence_reduce(own, np.int64(0), add_batch)

    each = tff.federated_map(tff.federated_computation(total, CLIENTS_DATA.member), data)
    return each, tff.federated_sum(each)


@pytest.mark.parametrize(
    "client",
    [
        [np.array([LARGE, 1]), np.array([2])],
        [[LARGE, 1], [2]],
        tf.data.Dataset.from_tensor_slices(np.array([LARGE, 1, 2], np.int64)).batch(2),
    ],
    ids=["numpy", "lists", "dataset"],
)
def test_the_data_of_clients_keeps_its_64_bits(engine, client):
    each, total = totals([client, client])
    assert [value.dtype for value in each] == [np.int64, np.int64]
    assert each == [LARGE + 3, LARGE + 3]
    assert total == 2 * LARGE + 6


def test_sums_and_means_of_64_bits_are_of_64_bits(engine):
    halved = tff.jax.computation(lambda x: x / 2, np.float64)

    @tff.federated_computation(
        tff.FederatedType(np.float64, tff.CLIENTS), tff.FederatedType(np.int64, tff.CLIENTS)
    )
    def program(values, counts):
        return tff.federated_mean(tff.federated_map(halved, values)), tff.federated_sum(counts)

    mean, count = program([1 + 2**-40, 1 + 2**-40], [LARGE, LARGE])
    assert (mean, mean.dtype) == (0.5 + 2**-41, np.float64)
    assert (count, count.dtype) == (2 * LARGE, np.int64)


def test_a_computation_without_types_takes_those_of_its_argument(engine):
    double = tff.jax.computation(lambda x: 2 * x)
    assert double(np.int64(LARGE)) == 2 * LARGE
    assert double(LARGE).dtype == np.int64
    assert double(1).dtype == np.int32
