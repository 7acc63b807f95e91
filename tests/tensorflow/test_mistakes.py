"""The mistakes that can be made in a TensorFlow computation, each told in four parts."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import re
import traceback

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

INTEGERS = tff.TensorType(np.int32, [2])


@tf.function
def nothing(x):
    tf.add(x, 1)


@tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
def square(x):
    return x * x


def forgets_to_return(x):
    tf.add(x, 1)


def returns_an_object(x):
    return {"sum": x, "of": [object(), {1, 2}, None]}


def returns_a_table(x):
    return tf.TensorArray(tf.int32, 2).write(0, x)


def returns_a_dataset_of_datasets(x):
    return tf.data.Dataset.from_tensors(x).window(2)


def calls_what_returns_nothing(x):
    return nothing(x)


def calls_a_function_of_another_dtype(x):
    return square(tf.cast(x, tf.float32))


def branches_of_two_structures(x):
    if x > 0:
        y = {"a": x}
    else:
        y = x
    return y


def branches_of_two_dtypes(x):
    if x > 0:
        y = 1
    else:
        y = 2.0
    return y


def branch_without_value(x):
    if x > 0:
        y = x
    return y  # pyright: ignore[reportPossiblyUnboundVariable]


def branch_without_return(x):
    if x > 0:
        return x


def branches_of_cond(x):
    return tf.cond(x > 0, lambda: (x, x), lambda: x)


def loop_that_grows(x):
    found = tf.zeros([0], tf.int32)
    for i in tf.range(x):
        found = tf.concat([found, [i]], 0)
    return found


def asks_for_a_bool(x):
    return bool(x > 0) is True


def calls_numpy(x):
    return np.square(x)


def asks_for_the_array(x):
    return x.numpy()


def has_a_wrong_shape(x):
    return tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3])) + tf.cast(x, tf.float32)


def sums_over_clients(x):
    return tff.federated_sum(x)


def calls_a_federated_computation(x):
    return tff.federated_computation(lambda y: y, np.int32)(x)


def calls_a_jax_computation(x):
    return tff.jax.computation(lambda y: y, np.int32)(x)


MISTAKES = [
    forgets_to_return,
    returns_an_object,
    returns_a_table,
    returns_a_dataset_of_datasets,
    calls_what_returns_nothing,
    calls_a_function_of_another_dtype,
    branches_of_two_structures,
    branches_of_two_dtypes,
    branch_without_value,
    branch_without_return,
    branches_of_cond,
    loop_that_grows,
    asks_for_a_bool,
    calls_numpy,
    asks_for_the_array,
    has_a_wrong_shape,
    sums_over_clients,
    calls_a_federated_computation,
    calls_a_jax_computation,
]


def told(error: BaseException) -> str:
    """The message, without what differs between runs and between versions of TensorFlow."""
    text = re.sub(r"(?s)\n  (\w+Error): .*?(?=\n  \w+:  )", r"\n  \1: ...", str(error))
    return re.sub(r"0x[0-9a-f]+", "0x", f"{type(error).__qualname__}: {text}")


# AutoGraph converts much of the library, and of JAX, before these are refused.
SLOW = (calls_a_federated_computation, calls_a_jax_computation)


@pytest.mark.parametrize(
    "fn",
    [pytest.param(fn, marks=pytest.mark.slow if fn in SLOW else ()) for fn in MISTAKES],
    ids=lambda fn: fn.__name__,
)
def test_mistakes_in_a_function(fn, golden):
    with pytest.raises(errors.FederatedError) as caught:
        tff.tensorflow.computation(fn, np.int32)
    assert str(caught.value.where).startswith("test_mistakes.py:")
    golden.check(fn.__name__, told(caught.value))


def test_a_condition_in_a_lambda(golden):
    with pytest.raises(TypeError) as caught:
        tff.tensorflow.computation(lambda x: 1 if x > 0 else 2, np.int32)
    golden.check("a condition in a lambda", told(caught.value))


def test_what_the_function_itself_raises_is_raised():
    def fn(x):
        raise KeyError("missing")

    with pytest.raises(KeyError) as caught:
        tff.tensorflow.computation(fn, np.int32)
    assert caught.value.args == ("missing",)
    assert re.fullmatch(r"  where:       test_mistakes\.py:\d+ in `fn`", caught.value.__notes__[0])


def must_be_positive(x):
    tf.debugging.assert_positive(x, "negative number")
    return x


@pytest.mark.usefixtures("engine")
class TestWhileRunning:
    def test_a_failed_assertion(self, golden):
        check = tff.tensorflow.computation(must_be_positive, np.int32)
        assert check(1) == 1
        with pytest.raises(RuntimeError) as caught:
            check(-1)
        golden.check("a failed assertion", told(caught.value))

    def test_a_failed_assertion_at_the_server(self):
        check = tff.tensorflow.computation(must_be_positive, np.int32)

        @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER))
        def checked(x):
            return tff.federated_map(check, x)

        with pytest.raises(errors.ComputationError, match="negative number"):
            checked(-1)

    def test_an_index_out_of_range(self):
        take = tff.tensorflow.computation(lambda i: tf.gather([1, 2], i), np.int32)
        with pytest.raises(errors.ComputationError, match=re.escape("5 is not in [0, 2)")):
            take(5)


@pytest.mark.parametrize("aggregate", [True, False])
def test_a_failed_assertion_in_client_work_names_the_client(aggregate):
    check = tff.tensorflow.computation(must_be_positive, np.int32)

    @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
    def checked(x):
        mapped = tff.federated_map(check, x)
        return tff.federated_sum(mapped) if aggregate else mapped

    with pytest.raises(errors.ClientError, match="negative number") as caught:
        checked([1, 2, -3])
    assert caught.value.client_index == 2
    assert "in `must_be_positive`" in str(caught.value)


def test_what_tensorflow_raised_is_not_shown_a_second_time():
    def fn(x):
        return x.numpy()

    with pytest.raises(errors.TracedValueError) as caught:
        tff.tensorflow.computation(fn, np.float32)
    shown = "".join(traceback.format_exception(caught.value))
    assert "site-packages" not in shown
    assert "direct cause" not in shown
    assert isinstance(caught.value.__context__, AttributeError)
