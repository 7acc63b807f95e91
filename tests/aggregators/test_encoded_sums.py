"""Sums of values that clients encode."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.aggregators import encoded_sums

AGG = tff.aggregators
OD = collections.OrderedDict
quantize = AGG.EncodedSumFactory.quantize_above_threshold


def total(factory: Any, values: list[Any], value_type: Any = None) -> Any:
    process = factory.create(value_type or tff.TensorType(np.float32, np.shape(values[0])))
    return process.next(process.initialize(), values).result


# Source: TFF 0.87 with tensorflow_model_optimization 0.7.5.
NUMBERS: dict[str, Any] = {
    "two bits": (2, [[0.0, 1.0, 0.4, 0.3, 0.6]], [0.0, 1.0, 1 / 3, 1 / 3, 2 / 3]),
    "two clients": (
        2,
        [[[0.0, 1.0], [0.4, 0.7]], [[2.0, -1.0], [0.4, 0.3]]],
        [[2, 0], [1 / 3, 2 / 3]],
    ),
    "a constant": (2, [[2.0, 2.0, 2.0]], [2.0, 2.0, 2.0]),
    "nan": (8, [[1.0, 2.0, math.nan]], [math.nan] * 3),
    "one element": (8, [0.25], 0.25),
}


@pytest.mark.parametrize(("bits", "values", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_the_numbers_are_those_of_tff(bits, values, expected, engine):
    result = total(quantize(bits, 0, stochastic=False), values)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)


def test_elements_that_are_steps_are_sent_exactly():
    values = [[0.0, 1.0, 0.0, 1.0]] * 2
    np.testing.assert_array_equal(total(quantize(1, 0), values), [0.0, 2.0, 0.0, 2.0])


def test_random_rounding_is_right_on_average_and_wrong_by_a_step_at_most():
    value = np.float32([0.0, 0.1, 0.5, 0.77, 1.0])
    result = total(quantize(2, 0), [value] * 2000) / 2000
    # A rounded element has a standard deviation of half a step at most.
    np.testing.assert_allclose(result, value, atol=4 * (1 / 3) * 0.5 / math.sqrt(2000))
    one = total(quantize(2, 0), [value])
    assert np.abs(one - value).max() < 1 / 3 + 1e-6


def test_clients_round_differently():
    value = np.linspace(0, 1, 50, dtype=np.float32)
    result = total(quantize(1, 0), [value] * 2)
    assert 1.0 in np.round(result)


def test_small_tensors_are_sent_as_they_are():
    value_type = tff.to_type(OD(a=(np.float32, [3]), b=(np.float32, [4]), c=np.int32))
    value = OD(a=np.float32([1, 2, 3.3]), b=np.float32([0, 1, 0.4, 0.3]), c=7)
    process = quantize(1, 3, stochastic=False).create(value_type)
    assert process.next.type_signature.compact_representation() == (
        "(<state=<a=<>,b=<>,c=<>>@SERVER,value={<a=float32[3],b=float32[4],c=int32>}@CLIENTS> -> "
        "<state=<a=<>,b=<>,c=<>>@SERVER,result=<a=float32[3],b=float32[4],c=int32>@SERVER,"
        "measurements=<>@SERVER>)"
    )
    result = process.next(process.initialize(), [value, value]).result
    np.testing.assert_array_equal(result["a"], np.float32([2, 4, 6.6]))
    np.testing.assert_array_equal(result["b"], [0, 2, 0, 0])
    assert result["c"] == 14


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (9, np.uint16)])
def test_a_client_sends_integers_of_few_bits(bits, dtype):
    encoded = encoded_sums.UniformQuantization(bits).encode(
        np.ones(5, np.float32), np.int64([1, 2])
    )
    assert encoded[0].dtype == dtype
    assert encoded[1].shape == (2,)


def test_extremes_can_be_given(engine):
    result = total(quantize(1, 0, stochastic=False, min_max=(0.0, 1.0)), [[-5.0, 0.4, 0.6, 7.0]])
    np.testing.assert_array_equal(result, [0.0, 0.0, 1.0, 1.0])


def test_an_encoder_is_any_object_with_two_portable_functions(engine):
    from tensorflow_federated.core import portable

    class HalfPrecision:
        def encode(self, x, key):
            return portable.namespace_of(x).cast(x, np.float16)

        def decode(self, encoded):
            return portable.namespace_of(encoded).cast(encoded, np.float32)

    factory = AGG.EncodedSumFactory(lambda tensor_type: HalfPrecision())
    np.testing.assert_array_equal(total(factory, [[1.0, 2049.0]]), [1.0, 2048.0])


WRONG: dict[str, Any] = {
    "no bits": (lambda: quantize(0), ValueError),
    "too many bits": (lambda: quantize(17), ValueError),
    "half a bit": (lambda: quantize(1.5), TypeError),
    "negative threshold": (lambda: quantize(8, -1), ValueError),
    "an unknown argument": (lambda: quantize(8, 0, step=3), TypeError),
    "extremes": (lambda: quantize(8, 0, min_max=(1.0, 0.0)), ValueError),
    "integers": (lambda: quantize(8, 0).create(tff.TensorType(np.int32, [3])), TypeError),
    "strings": (lambda: quantize(8, 0).create(tff.to_type(np.str_)), TypeError),
    "no function": (lambda: AGG.EncodedSumFactory(3), TypeError),
    "no encoder": (
        lambda: AGG.EncodedSumFactory(lambda t: 3).create(tff.to_type(np.float32)),
        TypeError,
    ),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_mistakes(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
