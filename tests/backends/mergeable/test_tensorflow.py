"""Execution in subrounds of TensorFlow computations."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

native = tff.backends.native

AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.tensorflow.computation(np.int32)
def less_than_seven(x):
    with tf.control_dependencies([tf.debugging.assert_less(x, 7)]):
        return tf.identity(x)


def test_the_position_of_a_client_that_fails_is_that_among_all():
    @tff.federated_computation(AT_CLIENTS)
    def checked_sum(values):
        return tff.federated_sum(tff.federated_map(less_than_seven, values))

    worker = native.create_async_local_cpp_execution_context()
    context = native.create_mergeable_comp_execution_context([worker], 3)
    failure = pytest.raises(errors.ClientError, match="client 4 failed in a subround")
    with tff.framework.get_context_stack().install(context), failure as raised:
        checked_sum([1, 2, 3, 4, 7, 5])
    assert raised.value.client_index == 4
    # What TensorFlow raised: it is told already, so a traceback does not show it.
    assert raised.value.__context__ is not None


def test_datasets_stay_with_their_clients(engine):
    @tff.tensorflow.computation(tff.SequenceType(np.int64))
    def total(dataset):
        return dataset.reduce(np.int64(0), lambda x, y: x + y)

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.int64), tff.CLIENTS))
    def totals(data):
        each = tff.federated_map(total, data)
        return each, tff.federated_sum(each)

    context = native.create_mergeable_comp_execution_context([engine], 3)
    with tff.framework.get_context_stack().install(context):
        assert totals([tf.data.Dataset.range(n) for n in range(5)]) == ([0, 0, 1, 3, 6], 10)
