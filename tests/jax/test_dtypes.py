"""The dtypes that JAX adds to those of NumPy, on every way through a program."""

from __future__ import annotations

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import type_parsing

FLOATS = [jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2]
INTEGERS = [jnp.int4, jnp.uint4, jnp.int8, jnp.uint8, jnp.int16, jnp.uint16]


def name_of(dtype):
    return jnp.dtype(dtype).name


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS, ids=name_of)
class TestEveryDType:
    def test_it_is_a_type_that_is_printed_and_read(self, dtype):
        name = name_of(dtype)
        for spec in (dtype, jnp.dtype(dtype), jnp.dtype(dtype).type, (dtype, ())):
            assert str(tff.to_type(spec)) == name
        sequence = tff.SequenceType(tff.TensorType(dtype, [None, 2]))
        assert str(sequence) == f"{name}[?,2]*"
        assert type_parsing.parse_type(str(sequence)) == sequence

    def test_python_and_framework_values_come_back_in_it(self, engine, dtype):
        number = jnp.dtype(dtype).type(2)
        double = tff.jax.computation(lambda x: x + x, dtype)
        for given in (number, int(number) if dtype in INTEGERS else 2.0, jnp.asarray(2, dtype)):
            result = double(given)
            assert result == 4
            assert result.dtype == jnp.dtype(dtype)

    def test_arrays_come_back_in_it(self, engine, dtype):
        computation = tff.jax.computation(lambda x: x[1:], tff.TensorType(dtype, [None]))
        result = computation(np.array([1, 2, 3], jnp.dtype(dtype)))
        assert result.dtype == jnp.dtype(dtype)
        np.testing.assert_array_equal(result.astype(np.float32), [2, 3])

    def test_constants_and_sums_are_of_it(self, engine, dtype):
        constant = jnp.dtype(dtype).type(3)

        @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
        def program(values):
            return tff.federated_sum(values), tff.federated_value(constant, tff.SERVER)

        total, same = program([constant, constant])
        assert (total, same) == (6, 3)
        assert total.dtype == same.dtype == jnp.dtype(dtype)

    def test_the_largest_and_the_smallest_are_of_it(self, engine, dtype):
        @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
        def program(values):
            return tff.federated_max(values), tff.federated_min(values)

        largest, smallest = program(list(np.array([2, 1, 3], jnp.dtype(dtype))))
        assert (largest, smallest) == (3, 1)
        assert largest.dtype == smallest.dtype == jnp.dtype(dtype)

    def test_it_travels_as_bytes(self, dtype):
        double = tff.jax.computation(lambda x: x + x, dtype)
        data = tff.framework.serialize_computation(double)
        travelled = tff.framework.deserialize_computation(data)
        result = travelled(jnp.dtype(dtype).type(2))
        assert (result, result.dtype) == (4, jnp.dtype(dtype))

    def test_sequences_are_summed_and_reduced_in_it(self, engine, dtype):
        add = tff.jax.computation(lambda total, x: total + x, dtype, dtype)
        zero = jnp.dtype(dtype).type(0)

        @tff.federated_computation(tff.SequenceType(dtype))
        def program(values):
            return tff.sequence_sum(values), tff.sequence_reduce(values, zero, add)

        array = np.array([1, 2], jnp.dtype(dtype))
        for data in (list(array), array):
            assert program(data) == (3, 3)
        assert program([]) == (0, 0)

    def test_tensorflow_and_jax_pass_it_on_to_each_other(self, engine, dtype):
        same = tff.tensorflow.computation(lambda x: tf.identity(x), dtype)
        double = tff.jax.computation(lambda x: x + x, dtype)

        @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
        def program(values):
            return tff.federated_sum(tff.federated_map(double, tff.federated_map(same, values)))

        @tff.federated_computation(tff.FederatedType(dtype, tff.CLIENTS))
        def tensorflow_alone(values):
            return tff.federated_sum(tff.federated_map(same, values))

        one = jnp.dtype(dtype).type(1)
        assert program([one, one]) == 4
        assert tensorflow_alone([one, one]) == 2
        assert program([one, one]).dtype == jnp.dtype(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_means_are_of_the_dtype_of_the_values(engine, dtype):
    mean = tff.federated_computation(tff.federated_mean, tff.FederatedType(dtype, tff.CLIENTS))
    assert str(mean.type_signature) == (
        f"({{{name_of(dtype)}}}@CLIENTS -> {name_of(dtype)}@SERVER)"
    )
    result = mean([1.0, 2.0, 3.0])
    assert (result, result.dtype) == (2.0, jnp.dtype(dtype))


def test_bfloat16_is_added_up_in_bfloat16(engine):
    total = tff.federated_computation(
        tff.federated_sum, tff.FederatedType(jnp.bfloat16, tff.CLIENTS)
    )
    # 256 + 1 has nine bits, of which bfloat16 keeps eight.
    assert total([256.0, 1.0, 1.0]) in (256.0, 258.0)
    assert total([256.0, 1.0]) == 256.0


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (jnp.bfloat16, np.float32(1), "expected bfloat16, got float32"),
        (jnp.bfloat16, 1e39, "out of the range of bfloat16"),
        (jnp.int4, 8, "8 is out of the range of int4, -8 to 7"),
        (np.float32, ml_dtypes.float8_e5m2, "float8_e5m2"),
    ],
)
def test_what_does_not_fit_is_refused(engine, dtype, value, text):
    with pytest.raises(TypeError, match=text):
        tff.jax.computation(lambda x: x, dtype)(value)


def test_a_tensorflow_dtype_is_the_same_dtype():
    assert tff.to_type(tf.bfloat16) == tff.to_type(jnp.bfloat16)
    assert tff.to_type(tf.TensorSpec([2], tf.bfloat16)) == tff.TensorType(jnp.bfloat16, [2])
