"""Calls of computations that were read from a saved model, on tensors and with their derivatives.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
import hashlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import trees
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.execution import serialization
from tensorflow_federated.tensorflow import tracing, type_specs

_decoded: weakref.WeakValueDictionary[bytes, Computation] = weakref.WeakValueDictionary()


def decode(data: bytes) -> Computation:
    """Reads a computation; the same one for the same bytes, while it is in use.

    Args:
      data: the bytes of a computation that has no variables.
    """
    key = hashlib.sha256(data).digest()
    computation = _decoded.get(key)
    if computation is None:
        computation = _decoded[key] = serialization.deserialize_computation(data)
    return computation


@tf.autograph.experimental.do_not_convert
def called(computation: Any, arguments: Sequence[Any]) -> Any:
    """Calls a computation on tensors, in a graph or outside.

    Args:
      computation: a computation of TensorFlow.
      arguments: the elements of its argument; or its argument alone.

    Returns:
      Its result in its containers, made of tensors.
    """
    function_type = computation.type_signature
    parameter: Any = function_type.parameter
    argument = arguments[0] if len(arguments) == 1 else list(arguments)
    if len(arguments) > 1:
        names = [name for name, _ in parameter.items()]
        argument = collections.OrderedDict(zip(names, arguments, strict=True))
    tensors = type_specs.flatten(argument, parameter)
    results = tracing.call_flat(computation.node.computation, tensors)
    return type_specs.unflatten(function_type.result, results, type_specs.pack_argument)


def differentiable(call: Callable[..., Any], gradient: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose derivative in its first argument is another one.

    Args:
      call: the function.
      gradient: from the arguments and the gradients of the result, one argument more, to the
        gradients of the leaves of the first argument, without those of no float dtype.
    """

    @tf.autograph.experimental.do_not_convert
    def run(first: Any, *others: Any) -> Any:
        leaves = [tf.convert_to_tensor(leaf) for leaf in trees.leaves(first)]
        packed: list[Any] = []

        @tf.custom_gradient
        def attach(*leaves: Any) -> Any:
            result = call(trees.pack_like(first, leaves), *others)
            packed.append(result)

            def backward(*upstream: Any) -> list[Any]:
                given = trees.pack_like(result, upstream)
                pulled = iter(gradient(trees.pack_like(first, leaves), *others, given))
                return [next(pulled) if leaf.dtype.is_floating else None for leaf in leaves]

            return trees.leaves(result), backward

        results = attach(*leaves)
        return trees.pack_like(packed[-1], results)

    return run


def with_gradients(loss: Any, trainable: Sequence[Any], gradients: Sequence[Any]) -> Any:
    """The loss, whose gradients are known already.

    Args:
      loss: the loss, a scalar.
      trainable: what the gradients are taken by.
      gradients: the gradients.
    """

    @tf.custom_gradient
    def attach(*weights: Any) -> Any:
        del weights

        def gradient(upstream: Any) -> list[Any]:
            return [tf.cast(upstream, each.dtype) * each for each in gradients]

        return tf.identity(loss), gradient

    return attach(*trainable)
