"""What TFF's namespace `tff.tensorflow` offers next to `computation`; imports no TensorFlow."""

from __future__ import annotations

import sys
from typing import Any

from tensorflow_federated.compiler import intrinsic_bodies
from tensorflow_federated.core import errors, fields, ir, ir_nodes


@errors.boundary
def replace_intrinsics_with_bodies(comp: ir.Node) -> tuple[ir.Node, bool]:
    """Writes the intrinsics of a program that are made of others as those; means as sums.

    Args:
      comp: the program.

    Returns:
      The program in call-dominant form, and True; or the program as it is, and False, if it has no
      such intrinsic.

    Raises:
      ArgumentError: if `comp` is no node of a program.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> at_clients = tff.FederatedType(np.float32, tff.CLIENTS)
      >>> mean = tff.federated_computation(lambda x: tff.federated_mean(x), at_clients)
      >>> program, is_changed = replace_intrinsics_with_bodies(mean.to_building_block())
      >>> is_changed, "federated_mean" in str(program), "federated_sum" in str(program)
      (True, False, True)

    Differs from TFF: sums stay as they are; the bodies belong to no framework.
    """
    ir_nodes.check_node("comp", comp)
    return intrinsic_bodies.replace_intrinsics(comp)


def transform_args(args: object) -> object:
    """Turns the tensors and variables in a Python structure into numpy values.

    Args:
      args: a structure of lists, tuples, dicts and so on.

    Returns:
      The structure with a numpy value for each eager tensor and each variable. Everything else,
      such as a dataset or a ragged tensor, stays as it is.

    Examples:
      >>> import tensorflow as tf
      >>> transform_args({"a": tf.constant(1), "b": [tf.Variable(2.0), 3]})
      {'a': np.int32(1), 'b': [np.float32(2.0), 3]}
    """
    tf = sys.modules.get("tensorflow")
    return args if tf is None else _to_numpy(args, (tf.Tensor, tf.Variable))


def transform_result(result: object) -> object:
    """Turns the tensors and variables in a Python structure into numpy values.

    Args:
      result: a structure; see `transform_args`.

    Returns:
      The structure with numpy values.

    Examples:
      >>> import tensorflow as tf
      >>> transform_result((tf.constant(1),))
      (np.int32(1),)
    """
    return transform_args(result)


def _to_numpy(value: Any, tensor_classes: tuple[type, ...]) -> Any:
    if isinstance(value, tensor_classes):
        return value.numpy() if hasattr(value, "numpy") else value
    named = fields.named_fields(value)
    if named is not None:
        elements = {name: _to_numpy(element, tensor_classes) for name, element in named}
        return type(value)(elements) if isinstance(value, dict) else type(value)(**elements)
    if isinstance(value, (list, tuple)):
        return type(value)(_to_numpy(element, tensor_classes) for element in value)
    return value
