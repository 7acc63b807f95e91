"""The types of results: as they are declared, and as they are at one place."""

from __future__ import annotations

from tensorflow_federated.core import ir, traversal, type_trees
from tensorflow_federated.core.types import Type


def with_result_type(function: ir.Lambda, result_type: Type) -> ir.Lambda:
    """The same function with a more general type of its result, as a compiled one was declared.

    Args:
      function: a lambda.
      result_type: a type that its result can be assigned to.

    Returns:
      The lambda whose result is of that type, names and Python containers included; the same one
      if its result is so already.
    """
    if function.type_signature.result.is_identical_to(result_type):
        return function
    name = traversal.FreshNames(traversal.bound_names(function)).fresh("result")
    same = ir.Lambda(name, result_type, ir.Reference(name, result_type))
    result = ir.Call(same, function.result)
    return ir.Lambda(function.parameter_name, function.parameter_type, result)


def without_placement(type_signature: Type) -> Type:
    """The type of what is there at one place: the member of each federated type in a structure.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core.placements import SERVER
      >>> from tensorflow_federated.core.types import FederatedType, StructType
      >>> print(without_placement(StructType([("a", FederatedType(np.int32, SERVER)), np.int64])))
      <a=int32,int64>
    """
    return type_trees.map_leaves(type_signature, ir.unplaced)
