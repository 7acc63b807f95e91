"""The namespace `tff.utils` of TFF's first years."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors, structure, trees
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.namespaces import Older as _Older

_HERE = "tensorflow_federated.learning.older_api.utils"


@errors.boundary
def _assign(target: Any, source: Any) -> Any:
    """Assigns tensors to variables of the same structure.

    Args:
      target: a structure of `tf.Variable`s.
      source: a structure of tensors.

    Returns:
      An operation after which all are assigned.
    """
    import tensorflow as tf

    variables, tensors = trees.leaves(target), trees.leaves(source)
    if len(variables) != len(tensors):
        raise errors.TypeMismatchError(
            "`tff.utils.assign` needs a tensor for each variable.",
            problems=[f"source: expected {len(variables)} tensors, got {len(tensors)}"],
            fix="give two structures of the same form.",
        )
    return tf.group(*(each.assign(value) for each, value in zip(variables, tensors, strict=True)))


@errors.boundary
def _identity(source: Any) -> Any:
    """Applies `tf.identity` to a structure of tensors."""
    import tensorflow as tf

    return trees.map_structure(tf.identity, source)


@errors.boundary
def _update_state(state: Any, **kwargs: Any) -> Any:
    """Replaces parts of a state: a dict, a named tuple, an attrs object."""
    return structure.update_struct(state, **kwargs)


_OLDER = {
    "IterativeProcess": _Older(
        "tensorflow_federated.templates", "`tff.templates.IterativeProcess`."
    ),
    "assign": _Older(
        _HERE,
        "`tf.nest.map_structure(lambda variable, value: variable.assign(value), target, source)`.",
        "_assign",
    ),
    "identity": _Older(_HERE, "`tf.nest.map_structure(tf.identity, source)`.", "_identity"),
    "update_state": _Older(
        _HERE, "`tff.structure.update_struct(state, name=value)`.", "_update_state"
    ),
}

_REMOVED = {
    "StatefulAggregateFn": "write a `tff.templates.AggregationProcess`.",
    "StatefulBroadcastFn": "write a `tff.templates.MeasuredProcess`.",
    "get_variables": "make the variables with `tf.Variable`.",
}

__getattr__: Callable[[str], Any]
__getattr__, __dir__ = _namespaces.module_functions(
    "tff.utils", _OLDER, removed=_REMOVED, older=_OLDER
)
