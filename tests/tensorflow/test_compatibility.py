"""What `tff.tensorflow` and `tff.types` offer for TensorFlow next to the decorator."""

from __future__ import annotations

import collections

import attrs
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

Point = collections.namedtuple("Point", ["x", "y"])


@attrs.define
class Pair:
    a: object
    b: object


@tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
def mean(values):
    return tff.federated_mean(values)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (tf.constant(1), np.int32(1)),
        ([tf.constant(1), 2], [1, 2]),
        ((tf.constant("a"), None), (b"a", None)),
        ({"a": tf.constant(1.5)}, {"a": 1.5}),
        (Point(tf.constant(1), 2), Point(1, 2)),
        (Pair(tf.constant(1), tf.constant(2)), Pair(1, 2)),
        (
            collections.OrderedDict(a={"b": tf.constant(1)}),
            collections.OrderedDict(a={"b": 1}),
        ),
    ],
)
@pytest.mark.parametrize(
    "transform", [tff.tensorflow.transform_args, tff.tensorflow.transform_result]
)
def test_tensors_become_numpy_values_in_their_containers(transform, given, expected):
    result = transform(given)
    assert type(result) is type(expected)
    assert result == expected


def test_a_variable_becomes_its_value():
    assert tff.tensorflow.transform_args([tf.Variable(2.0)]) == [np.float32(2.0)]


@pytest.mark.parametrize(
    "value", [tf.data.Dataset.range(2), tf.ragged.constant([[1], [2, 3]]), 3, "text"]
)
def test_what_is_no_tensor_stays(value):
    assert tff.tensorflow.transform_args(value) is value


def test_a_context_takes_the_transforms():
    context = tff.framework.SyncExecutionContext(
        tff.framework.local_cpp_executor_factory(),
        transform_args=tff.tensorflow.transform_args,
        transform_result=tff.tensorflow.transform_result,
    )
    with tff.framework.get_context_stack().install(context):
        assert mean([tf.constant(1.0), tf.constant(2.0)]) == 1.5


def test_intrinsics_are_written_as_what_they_are_made_of(engine):
    program, is_changed = tff.tensorflow.replace_intrinsics_with_bodies(mean.to_building_block())
    assert is_changed
    assert "federated_mean" not in str(program)
    assert tff.framework.ConcreteComputation.from_building_block(program)([1.0, 2.0]) == 1.5


def test_a_program_without_such_intrinsics_stays():
    program = tff.jax.computation(lambda: 1).to_building_block()
    assert tff.tensorflow.replace_intrinsics_with_bodies(program) == (program, False)


def test_only_a_program_has_intrinsics():
    with pytest.raises(errors.ArgumentError, match="to_building_block"):
        tff.tensorflow.replace_intrinsics_with_bodies(mean)


@pytest.mark.parametrize(
    ("type_spec", "expected"),
    [
        (tff.TensorType(np.int32, None), tf.TensorSpec(None, tf.int32)),
        ([np.int32, np.str_], [tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string)]),
        (
            tff.StructType([("a", np.int32), ("b", (np.float32, [2, None]))]),
            collections.OrderedDict(
                a=tf.TensorSpec([], tf.int32), b=tf.TensorSpec([2, None], tf.float32)
            ),
        ),
    ],
)
def test_a_type_becomes_specs_in_its_containers(type_spec, expected):
    assert tff.types.type_to_tf_tensor_specs(type_spec) == expected


@pytest.mark.parametrize(
    "type_spec",
    [
        tff.SequenceType(np.int32),
        tff.FederatedType(np.int32, tff.SERVER),
        tff.StructType([("a", np.int32), np.int32]),
    ],
)
def test_a_type_of_other_things_has_no_specs(type_spec):
    with pytest.raises(ValueError, match=r"."):
        tff.types.type_to_tf_tensor_specs(type_spec)
