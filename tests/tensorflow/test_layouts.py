"""Tensors of arrays: without a copy, and kept as long as the arrays live and are used again."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.execution import aligned_arrays
from tensorflow_federated.tensorflow import layouts


class Maker:
    """Makes tensors of arrays, and counts how often."""

    def __init__(self, *arrays):
        self.arrays = arrays
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return [tf.constant(np.concatenate(self.arrays))]


@pytest.mark.parametrize("size", [0, 3, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_, np.complex64, np.uint16])
def test_a_tensor_has_the_values_of_its_array(size, dtype):
    array = aligned_arrays.empty([size, 2], np.dtype(dtype))
    array[:] = np.arange(2 * size).reshape(size, 2).astype(dtype)
    tensor = layouts.to_tensor(array, tf.as_dtype(dtype))
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal(layouts.to_array(tensor), array, strict=True)


def test_strings_and_bfloat16_are_copied():
    words = aligned_arrays.empty([2], np.dtype(object))
    words[:] = [b"a", b"bc"]
    assert layouts.to_tensor(words, tf.string).numpy().tolist() == [b"a", b"bc"]
    halves = aligned_arrays.empty([4096], np.dtype(tf.bfloat16.as_numpy_dtype))
    halves[:] = 0.5
    assert float(tf.reduce_max(layouts.to_tensor(halves, tf.bfloat16))) == 0.5


def test_an_array_of_a_tensor_keeps_its_memory_and_cannot_be_written_to():
    array = layouts.to_array(tf.range(5000))
    gc.collect()
    assert array.tolist() == list(range(5000))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_an_array_of_strings_or_bfloat16():
    assert layouts.to_array(tf.constant([b"a"])).tolist() == [b"a"]
    assert (layouts.to_array(tf.ones([4096], tf.bfloat16)) == 1).all()


def test_tensors_are_kept_from_their_second_use_on():
    cache, make = layouts.Cache(), Maker(np.arange(3), np.arange(4))
    results = [cache.get("kind", make.arrays, make)[0].numpy().tolist() for _ in range(5)]
    assert results == [[0, 1, 2, 0, 1, 2, 3]] * 5
    assert make.calls == 2


def test_another_order_or_kind_is_something_else():
    cache, first, second = layouts.Cache(), np.arange(3), np.arange(4)
    for _ in range(2):
        cache.get("kind", [first, second], Maker(first, second))
    (swapped,) = cache.get("kind", [second, first], Maker(second, first))
    assert swapped.numpy().tolist() == [0, 1, 2, 3, 0, 1, 2]
    make = Maker(first, second)
    cache.get("other", [first, second], make)
    assert make.calls == 1


def test_nothing_is_kept_of_arrays_that_are_gone():
    cache = layouts.Cache()

    def use(number):
        arrays = [np.full(100, number), np.full(10, number)]
        for _ in range(3):
            (tensor,) = cache.get("kind", arrays, Maker(*arrays))
            assert int(tensor[0]) == number

    for number in range(50):
        use(number)
    gc.collect()
    assert cache.taken == 0


def test_what_was_used_longest_ago_goes_first():
    cache = layouts.Cache(most_bytes=2 * 800)
    makers = [Maker(np.full(100, number)) for number in range(3)]
    for make in makers:
        for _ in range(2):
            cache.get("kind", make.arrays, make)
    assert cache.taken <= 1600
    for make in makers[1:]:
        cache.get("kind", make.arrays, make)
        assert make.calls == 2
    cache.get("kind", makers[0].arrays, makers[0])
    assert makers[0].calls == 3


def test_what_is_larger_than_the_limit_is_never_kept():
    cache, make = layouts.Cache(most_bytes=100), Maker(np.arange(100))
    for _ in range(4):
        cache.get("kind", make.arrays, make)
    assert make.calls == 4
    assert cache.taken == 0
