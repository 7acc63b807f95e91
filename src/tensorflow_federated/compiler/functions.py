"""Gives a program the functions among its arguments, so that what is left takes data only."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from tensorflow_federated.core import ir, traversal, type_trees
from tensorflow_federated.core.types import FunctionType, StructType, Type

Path = tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def function_paths(parameter_type: Type | None) -> tuple[Path, ...]:
    """The positions of the functions in an argument's structure.

    Examples:
      >>> import numpy as np
      >>> function_paths(StructType([np.int32, ("f", FunctionType(np.int32, np.int32))]))
      ((1,),)
    """
    if isinstance(parameter_type, FunctionType):
        return ((),)
    if isinstance(parameter_type, StructType):
        return tuple(
            (index, *found)
            for index, (_, element) in enumerate(parameter_type.items())
            for found in function_paths(element)
        )
    return ()


def apply_to_functions(node: ir.Node, functions: Mapping[Path, ir.Node]) -> ir.Lambda:
    """Gives a function those of its arguments that are functions.

    Args:
      node: a function with functional parameters.
      functions: the function to give at each position of `function_paths`.

    Returns:
      A lambda whose parameter is the same structure without the functions: where they were,
      there is an empty structure.
    """
    function_type = node.type_signature
    assert isinstance(function_type, FunctionType)
    assert function_type.parameter is not None
    data_type = without_functions(function_type.parameter)
    taken = traversal.bound_names(node).union(*map(traversal.bound_names, functions.values()))
    parameter = ir.Reference(traversal.FreshNames(taken).fresh("arg"), data_type)
    argument = _fill(function_type.parameter, (), parameter, functions)
    return ir.Lambda(parameter.name, data_type, ir.Call(node, argument))


def without_functions(type_signature: Type) -> Type:
    """The type with an empty structure in the place of each function."""
    return type_trees.map_leaves(
        type_signature, lambda each: StructType([]) if isinstance(each, FunctionType) else each
    )


def _fill(
    type_signature: Type, path: Path, source: ir.Node, functions: Mapping[Path, ir.Node]
) -> ir.Node:
    if isinstance(type_signature, FunctionType):
        return functions[path]
    if isinstance(type_signature, StructType):
        return ir.Struct(
            tuple(
                (name, _fill(element, (*path, index), ir.select(source, index), functions))
                for index, (name, element) in enumerate(type_signature.items())
            )
        )
    return source
