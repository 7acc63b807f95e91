"""Functions and the large arrays that they have captured."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tensorflow_federated.jax import captured_arrays

TABLE = np.arange(1000, dtype=np.float32)
OTHER = np.ones([500, 2], np.float32)


def split(function, *arguments):
    return captured_arrays.split(jax.make_jaxpr(function)(*arguments))


def test_a_small_array_stays_part_of_the_function():
    small = np.float32([1, 2, 3])
    function, arrays = split(lambda i: jnp.asarray(small)[i], 1)
    assert arrays == []
    np.testing.assert_array_equal(function(1), [2])


def test_large_arrays_become_arguments():
    function, arrays = split(lambda i: jnp.asarray(TABLE)[i] + jnp.asarray(OTHER)[i, 0], 7)
    assert sorted(each.shape for each in arrays) == [(500, 2), (1000,)]
    np.testing.assert_array_equal(function(*arrays, 7), [8])


def test_the_arrays_are_no_part_of_what_is_traced():
    function, arrays = split(lambda i: jnp.asarray(TABLE)[i], 7)
    assert jax.make_jaxpr(function)(*arrays, 7).consts == []


def test_the_array_of_a_function_inside_of_it_is_found():
    @jax.jit
    def look_up(i):
        return jnp.asarray(TABLE)[i]

    function, arrays = split(lambda i: look_up(i) * 2, 7)
    assert [each.shape for each in arrays] == [(1000,)]
    np.testing.assert_array_equal(function(*arrays, 7), [14])


def test_the_array_of_a_loop_is_found():
    def total(count):
        return lax.fori_loop(0, count, lambda i, sum_: sum_ + jnp.asarray(TABLE)[i], 0.0)

    function, arrays = split(total, 5)
    assert [each.shape for each in arrays] == [(1000,)]
    np.testing.assert_array_equal(function(*arrays, 5), [10])


def test_an_array_that_is_used_twice_is_one_argument():
    table = jnp.asarray(TABLE)
    function, arrays = split(lambda i: table[i] + table[i + 1], 1)
    assert len(arrays) == 1
    np.testing.assert_array_equal(function(*arrays, 1), [3])
