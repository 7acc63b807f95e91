"""Walks over programs for users: transforms that tell whether they changed anything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tensorflow_federated.compiler import call_dominant
from tensorflow_federated.core import errors, ir, ir_nodes, traversal
from tensorflow_federated.core.types import FunctionType

Transform: TypeAlias = Callable[[ir.Node], tuple[ir.Node, bool]]
"""Gives what takes the place of a node, and whether that is something else."""


@errors.boundary
def transform_postorder(comp: ir.Node, transform: Transform) -> tuple[ir.Node, bool]:
    """Rebuilds a program from the leaves up.

    Args:
      comp: the program.
      transform: gets each node, those below it transformed already, and gives what takes its place,
        and whether that is something else.

    Returns:
      The new program, and whether anything was changed.

    Raises:
      ArgumentError: if `comp` is no node.

    Examples:
      >>> import numpy as np
      >>> def rename(node):
      ...     is_x = isinstance(node, ir.Reference) and node.name == "x"
      ...     return (ir.Reference("y", node.type), True) if is_x else (node, False)
      >>> x = ir.Reference("x", np.int32)
      >>> program, is_changed = transform_postorder(ir.Struct([x, x]), rename)
      >>> print(program, is_changed)
      <y,y> True
    """
    ir_nodes.check_node("comp", comp)

    def visit(node: ir.Node) -> tuple[ir.Node, bool]:
        below, is_changed = _with_children_visited(node, visit)
        result, is_replaced = transform(below)
        return result, is_changed or is_replaced

    return visit(comp)


@errors.boundary
def transform_preorder(comp: ir.Node, transform: Transform) -> tuple[ir.Node, bool]:
    """Rebuilds a program from the root down.

    Args:
      comp: the program.
      transform: gets each node and gives what takes its place, and whether that is something else;
        what is below that is transformed next.

    Returns:
      The new program, and whether anything was changed.

    Raises:
      ArgumentError: if `comp` is no node.

    Examples:
      >>> import numpy as np
      >>> def first_only(node):
      ...     return (node[0], True) if isinstance(node, ir.Struct) else (node, False)
      >>> x = ir.Reference("x", np.int32)
      >>> program, is_changed = transform_preorder(
      ...     ir.Lambda("x", np.int32, ir.Struct([x, x])), first_only
      ... )
      >>> print(program, is_changed)
      (x -> x) True
    """
    ir_nodes.check_node("comp", comp)

    def visit(node: ir.Node) -> tuple[ir.Node, bool]:
        result, is_replaced = transform(node)
        result, is_changed = _with_children_visited(result, visit)
        return result, is_changed or is_replaced

    return visit(comp)


def _with_children_visited(node: ir.Node, visit: Transform) -> tuple[ir.Node, bool]:
    visited = [visit(child) for child in node.children()]
    if not any(is_changed for _, is_changed in visited):
        return node, False
    return node.with_children([child for child, _ in visited]), True


@errors.boundary
def unique_name_generator(comp: ir.Node | None, prefix: str = "_var") -> Iterator[str]:
    """Gives names that a program does not use, one after the other.

    Args:
      comp: the program; None if there is none yet.
      prefix: what the names start with.

    Returns:
      An iterator that does not end.

    Raises:
      ArgumentError: if `comp` is no node.

    Examples:
      >>> import numpy as np
      >>> names = unique_name_generator(ir.Reference("_var1", np.int32))
      >>> next(names), next(names)
      ('_var2', '_var3')

    Differs from TFF: the names keep the prefix if the program has names that start with it.
    """
    taken: frozenset[str] = frozenset()
    if comp is not None:
        ir_nodes.check_node("comp", comp)
        taken = traversal.bound_names(comp) | traversal.free_names(comp)
    names = (f"{prefix}{number}" for number in itertools.count(1))
    return (name for name in names if name not in taken)


@errors.boundary
def to_call_dominant(comp: ir.Node) -> ir.Node:
    """Brings a program into the form in which every call is bound to a name of its own, in order.

    Args:
      comp: the program, a function or not.

    Returns:
      The program that computes the same: a lambda over a block if it is a function; a block, or a
      result alone, if not.

    Raises:
      ArgumentError: if `comp` is no node.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> double = tff.jax.computation(lambda x: 2 * x, np.int32)
      >>> four_times = tff.federated_computation(lambda x: double(double(x)), np.int32)
      >>> print(to_call_dominant(four_times.to_building_block()))
      (arg -> (let v=comp#<lambda>(arg),v_1=comp#<lambda>(v) in v_1))
    """
    ir_nodes.check_node("comp", comp)
    if isinstance(comp.type_signature, FunctionType):
        return call_dominant.to_call_dominant(comp)
    return call_dominant.to_call_dominant(ir.Lambda(None, None, comp)).result
