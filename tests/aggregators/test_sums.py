"""`tff.aggregators.SumFactory`."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff


def run(value_type, values):
    process = tff.aggregators.SumFactory().create(tff.to_type(value_type))
    return process.next(process.initialize(), values).result


def test_values_are_summed(engine):
    result = run((np.float32, [2]), [[1.0, -2.0], [3.0, 4.0], [-1.0, 10.0]])
    np.testing.assert_array_equal(result, [3.0, 12.0])


def test_integers_stay_integers(engine):
    struct = collections.OrderedDict(a=np.int32, b=tff.TensorType(np.int64, [2]))
    result = run(struct, [{"a": 1, "b": [1, 2**40]}, {"a": 5, "b": [0, 1]}])
    assert result["a"] == 6
    assert result["a"].dtype == np.int32
    np.testing.assert_array_equal(result["b"], [1, 2**40 + 1])


def test_the_sum_over_no_client_is_zero(engine):
    np.testing.assert_array_equal(run((np.float32, [2]), []), [0.0, 0.0])


def test_state_and_measurements_are_empty(engine):
    process = tff.aggregators.SumFactory().create(tff.to_type(np.int32))
    assert process.initialize() == ()
    output = process.next((), [1])
    assert output.state == ()
    assert output.measurements == ()


@pytest.mark.parametrize("dtype", [np.str_, np.bool_])
def test_what_cannot_be_summed_says_so(dtype):
    with pytest.raises(TypeError, match="expected numeric tensors") as raised:
        tff.aggregators.SumFactory().create(tff.to_type(dtype))
    assert type(raised.value).__name__ == "SumIncompatibleError"
