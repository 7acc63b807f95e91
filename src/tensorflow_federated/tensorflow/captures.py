"""What a traced function may not take from outside of it: state that lasts from call to call.

Tensors and arrays that a function closes over are constants of the computation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import FunctionType
from tensorflow_federated.tensorflow import graph_functions, kernel_threads, type_specs

_MADE = frozenset({"MutableHashTableV2", "MutableDenseHashTableV2", "MutableHashTableOfTensorsV2"})
_CHANGED = frozenset({"LookupTableInsertV2", "LookupTableRemoveV2"})

# Before TensorFlow computes for the first time, which is here.
kernel_threads.leave_to_clients()

# Made now, above all graphs: the first function that asks for it would make it its own.
tf.random.get_global_generator()


def check(
    concrete: Any,
    own: Collection[tf.Variable],
    name: str,
    type_signature: FunctionType,
    where: str | None,
) -> None:
    """Checks that calls of a traced function see nothing of each other.

    Args:
      concrete: the traced function.
      own: the variables that it sets itself at each call, and those of the computations in it.
      name: its name, for messages.
      type_signature: its type, for messages.
      where: where it is defined, for messages.

    Raises:
      TracingError: if it uses a variable that was made outside, or changes a table.
    """
    handles = {
        id(outside) for outside, _ in concrete.graph.captures if outside.dtype == tf.resource
    }
    handles -= {id(variable.handle) for variable in own}
    foreign = [each for each in concrete.variables if id(each.handle) in handles]
    if foreign:
        raise errors.TracingError(
            f"`{name}` uses variables that were made outside of it.",
            problems=[
                f"{variable.name}: {type_specs.to_tensor_type(variable)}" for variable in foreign
            ],
            signature=type_signature,
            where=where,
            fix=f"make them in `{name}`, also those of models and layers, or give their values as "
            "arguments.",
        )
    operations = {each.type for each in concrete.graph.get_operations()}
    if operations & _MADE or (handles and _all_operations(concrete) & _CHANGED):
        raise errors.TracingError(
            f"`{name}` changes a table, whose entries would last from one call to the next.",
            problems=["table: expected a static one, got a mutable one"],
            signature=type_signature,
            where=where,
            fix="use a `tf.lookup.StaticHashTable`; `tf.unique_with_counts` counts.",
        )


def _all_operations(concrete: Any) -> set[str]:
    return {node.op for node in graph_functions.all_nodes(concrete.graph.as_graph_def())}
