"""Calls of traced functions from Python, as cheap as TensorFlow has them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.tensorflow import graph_functions

# What counts as a small graph, and how often it is called before it is an operation.
_MOST_OPERATIONS = 64
_CALLS_AS_FUNCTION = 10


class Call:
    """A concrete function, to be called many times on flat eager tensors that are known to fit it.

    A plain call of the function checks and casts its arguments each time, and hands the graph to
    another thread: for a small graph that takes ten times as long as to run it. A small graph that
    does nothing but compute is therefore run, once it has proved to be called often, as an
    operation: in the thread of the caller. TensorFlow keeps the kernel of such an operation as
    long as the process lives, and runs what is in it one after the other; so other functions are
    called as functions.
    """

    def __init__(self, concrete: Any) -> None:
        """Takes the function.

        Args:
          concrete: a `tf.types.experimental.ConcreteFunction` that returns a list of tensors.
        """
        self._concrete = concrete
        self._dtypes = [output.dtype for output in concrete.outputs]
        self._calls = itertools.count(1)
        self._is_operation = False

    def __call__(self, tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """Runs the function.

        Args:
          tensors: its arguments.

        Returns:
          Its results.
        """
        if self._is_operation:
            return self._run_as_operation(tensors)
        if next(self._calls) == _CALLS_AS_FUNCTION and is_small(self._concrete):
            self._is_operation = not tf.config.list_logical_devices("GPU")
        return run(self._concrete, tensors)

    def _run_as_operation(self, tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        try:
            return tf.raw_ops.PartitionedCall(args=tensors, Tout=self._dtypes, f=self._concrete)
        except tf.errors.OpError:
            # The function itself tells in which line of its definition it failed.
            run(self._concrete, tensors)
            raise


def run(concrete: Any, tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """Runs a concrete function on flat eager tensors that are known to fit it."""
    outputs = concrete.inference_fn.call_flat(*tensors, *concrete.captured_inputs)
    return () if outputs is None else outputs


def is_small(concrete: Any) -> bool:
    """Whether a function has few operations, which all compute and do nothing else.

    Examples:
      >>> def traced(fn):
      ...     return tf.function(fn).get_concrete_function(tf.TensorSpec([], tf.float32))
      >>> is_small(traced(lambda x: [x + 1.0]))
      True
      >>> is_small(traced(lambda x: [x + tf.random.uniform([])]))
      False
    """
    operations = concrete.graph.get_operations()
    if len(operations) > _MOST_OPERATIONS or concrete.captured_inputs or not concrete.outputs:
        return False
    if any(operation.op_def.is_stateful for operation in operations):
        return False
    nodes = list(graph_functions.all_nodes(concrete.graph.as_graph_def()))
    return len(nodes) <= _MOST_OPERATIONS and not any(map(_is_control_flow, nodes))


def _is_control_flow(node: Any) -> bool:
    """Whether an operation runs functions, in another way than by one call of a pure one."""
    has_function = any(each.HasField("func") or each.list.func for each in node.attr.values())
    return has_function and node.op != "PartitionedCall"
