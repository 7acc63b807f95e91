"""Functions on variables become functions of values: the same numbers, and no variable left."""

# The stubs of TensorFlow know less than these functions do.

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tensorflow_federated.core.types import TensorType
from tensorflow_federated.tensorflow import followed_variables, tracing

START = np.float32([[1.0, -2.0], [0.5, 3.0], [2.0, 0.0]])
X = np.float32([[0.25, 1.0], [-3.0, 2.0]])
TABLE = tf.constant([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])


class Holder:
    """Two variables, and functions on them that set both first."""

    def __init__(self):
        self.weights = tf.Variable(tf.zeros([3, 2]))
        self.count = tf.Variable(0.0)

    @property
    def variables(self):
        return (self.weights, self.count)

    def concrete(self, fn):
        """Traces a function of the holder and a tensor; the weights start as it is told."""

        def from_start(start, x):
            self.weights.assign(start)
            self.count.assign(1.0)
            return fn(self, x)

        return tf.function(from_start, autograph=False).get_concrete_function(
            tf.TensorSpec([3, 2]), tf.TensorSpec([None, 2])
        )


@tf.function
def counted(holder, x):
    holder.count.assign_add(tf.reduce_sum(x))
    return tf.matmul(x, holder.weights, transpose_b=True) * holder.count


@tf.function
def counted_twice(holder, x):
    first = counted(holder, x)
    holder.count.assign_sub(0.5)
    return first, counted(holder, x + 1.0)


def in_turns(holder, x):
    before = holder.count.read_value()
    holder.count.assign(before * 3.0)
    between = holder.count.read_value()
    holder.count.assign(before + between)
    return before, between, holder.count + 0.0, x


def with_gradients(holder, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(counted(holder, x) ** 2)
    holder.weights.assign_sub(0.1 * tape.gradient(loss, holder.weights))
    return loss, holder.weights.read_value(), holder.count.read_value()


def of_rows(holder, x):
    with tf.GradientTape() as tape:
        rows = tf.nn.embedding_lookup(holder.weights, tf.constant([2, 0, 2]))
        loss = tf.reduce_sum(rows**2) + tf.reduce_sum(x)
    gradient = tape.gradient(loss, holder.weights)
    return rows, tf.convert_to_tensor(gradient), tf.gather(holder.weights, [1])


def with_a_branch_of_values(holder, x):
    factor = tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.constant(2.0), lambda: tf.constant(3.0))
    return holder.weights * factor


def with_what_is_around(holder, x):
    return x @ tf.transpose(TABLE) + tf.reduce_sum(holder.weights)


FOLLOWED = [
    counted,
    counted_twice,
    in_turns,
    with_gradients,
    of_rows,
    with_a_branch_of_values,
    with_what_is_around,
]


@pytest.mark.parametrize("fn", FOLLOWED)
def test_it_computes_the_same_bits(fn):
    holder = Holder()
    concrete = holder.concrete(fn)
    followed = followed_variables.without_variables(concrete, holder.variables)
    assert followed is not None
    assert not any(tensor.dtype == tf.resource for tensor in followed.captured)

    @tf.function
    def pure(start, x):
        return followed.body.applied([start, x, *followed.captured])

    for start, x in ((START, X), (-START, X), (START, X[:1])):
        expected = tf.nest.flatten(concrete(tf.constant(start), tf.constant(x)))
        for variable in holder.variables:
            # What it holds is of no account.
            variable.assign(variable * 0.0 + 7.0)
        for found, one in zip(pure(start, x), expected, strict=True):
            np.testing.assert_array_equal(found, one)


def branching(holder, x):
    return tf.cond(
        tf.reduce_sum(x) > 0.0,
        lambda: holder.count.assign_add(1.0),
        lambda: holder.count.read_value(),
    )


def looping(holder, x):
    return tf.while_loop(
        lambda number: number < 3.0, lambda number: [number + holder.count], [tf.reduce_sum(x)]
    )


def telling(holder, x):
    tf.print(holder.count)
    return x


def checking(holder, x):
    tf.debugging.assert_positive(holder.count)
    return x


def scattering(holder, x):
    holder.weights.scatter_nd_add([[0]], x[:1])
    return holder.weights.read_value()


@pytest.mark.parametrize("fn", [branching, looping, telling, checking, scattering])
def test_what_is_not_followed(fn):
    holder = Holder()
    assert followed_variables.without_variables(holder.concrete(fn), holder.variables) is None


def test_a_variable_that_is_read_before_it_is_set():
    holder = Holder()
    concrete = tf.function(lambda x: x * holder.count).get_concrete_function(tf.TensorSpec([]))
    assert followed_variables.without_variables(concrete, holder.variables) is None


def test_what_may_come_in_either_order():
    # Graphs of TensorFlow 1 leave the order to whoever makes them.
    holder = Holder()

    def either(x):
        holder.count.assign(x)
        return [holder.count.read_value(), holder.count.assign(2.0 * x)]

    concrete = tf.compat.v1.wrap_function(either, [tf.TensorSpec([])])
    assert followed_variables.without_variables(concrete, holder.variables) is None


def loop_of_nodes():
    """A loop as graphs of TensorFlow 1 have it, which doubles `x` until it is large."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [], name="x")
        tf.compat.v1.disable_control_flow_v2()
        try:
            result = tf.compat.v1.while_loop(lambda n: n < 100.0, lambda n: 2.0 * n, [x])
        finally:
            tf.compat.v1.enable_control_flow_v2()
        return graph.as_graph_def(), result.name


def test_a_loop_of_nodes():
    holder = Holder()
    graph_def, name = loop_of_nodes()

    def fn(x):
        with tf.control_dependencies([holder.count.assign(x)]):
            start = holder.count.read_value()
        return tf.graph_util.import_graph_def(graph_def, {"x:0": start}, [name])

    concrete = tf.compat.v1.wrap_function(fn, [tf.TensorSpec([])])
    assert followed_variables.without_variables(concrete, holder.variables) is None


def test_a_computation_owns_the_variables_that_it_needs():
    holder = Holder()
    local = {}
    for fn in (counted, branching):

        @tf.autograph.experimental.do_not_convert
        def from_start(x, fn=fn):
            holder.weights.assign(START)
            holder.count.assign(1.0)
            return fn(holder, x)

        traced = tracing.trace(
            from_start, TensorType(np.float32, [2, 2]), False, "f", runs_model=True
        )
        local[fn] = tracing.owning(traced.computation, holder.variables)
    assert local[counted].function.variables == ()
    assert local[branching].function.variables == holder.variables
    (found,) = local[counted].function([tf.constant(X)])
    np.testing.assert_allclose(found, X @ START.T * 1.25, rtol=1e-6)
