"""The functions of a TensorFlow graph: all its nodes, and who calls whom."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf


def all_nodes(graph_def: Any) -> Iterator[Any]:
    """The nodes of a graph and of the functions in it."""
    return itertools.chain(
        graph_def.node, *(function.node_def for function in graph_def.library.function)
    )


def references(node: Any) -> Iterator[Any]:
    """The values of a node's attributes that name functions."""
    for _, value in sorted(node.attr.items()):
        if value.WhichOneof("value") == "func":
            yield value.func
        elif value.WhichOneof("value") == "list":
            yield from value.list.func


def called_names(node: Any) -> list[str]:
    """The names of what a node runs: its operation, and the functions that it is given."""
    return [node.op, *(reference.name for reference in references(node))]


def called(nodes: Iterable[Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """The functions that some nodes run, and those that these run, in the order of first use.

    Args:
      nodes: the nodes.
      functions: all functions, by name.

    Returns:
      Those that are run, by name.
    """
    found: dict[str, Any] = {}
    waiting = [nodes]
    while waiting:
        for node in waiting.pop(0):
            for name in called_names(node):
                if name in functions and name not in found:
                    found[name] = functions[name]
                    waiting.append(functions[name].node_def)
    return found


def rename(graph_def: Any, pattern: str) -> None:
    """Names the functions by the order in which they are first used, and drops unused ones.

    Args:
      graph_def: the graph, which is changed.
      pattern: the new name, with `{}` for the number.
    """
    functions = {each.signature.name: each for each in graph_def.library.function}
    used = called(graph_def.node, functions)
    names = {name: pattern.format(number) for number, name in enumerate(used)}
    for node in all_nodes(graph_def):
        node.op = names.get(node.op, node.op)
        for reference in references(node):
            reference.name = names.get(reference.name, reference.name)
    for name, function in used.items():
        function.signature.name = names[name]
    library = type(graph_def.library)(function=used.values())
    graph_def.library.CopyFrom(library)


def table_dtypes(graph_def: Any, handle: str) -> tuple[tf.DType, tf.DType]:
    """The dtypes of the keys and values of a table, as whoever looks something up knows them.

    Args:
      graph_def: the graph.
      handle: the name of the node that stands for the table.

    Raises:
      ValueError: if nothing is looked up, or the table is changed.
    """
    functions = {each.signature.name: each for each in graph_def.library.function}
    waiting: list[tuple[list[Any], str]] = [(list(graph_def.node), handle)]
    found: tuple[tf.DType, tf.DType] | None = None
    while waiting:
        nodes, name = waiting.pop()
        for node in nodes:
            sources = [source.split(":")[0] for source in node.input]
            if name not in sources:
                continue
            if node.op in ("LookupTableInsertV2", "LookupTableRemoveV2"):
                raise ValueError("a table that is changed")
            if node.op in ("LookupTableFindV2", "LookupTableImportV2"):
                found = tf.as_dtype(node.attr["Tin"].type), tf.as_dtype(node.attr["Tout"].type)
            for function in (functions.get(each) for each in called_names(node)):
                if function is not None:
                    arguments = function.signature.input_arg
                    waiting.extend(
                        (list(function.node_def), argument.name)
                        for argument in arguments
                        if argument.type == tf.resource.as_datatype_enum
                    )
    if found is None:
        raise ValueError("a resource that is neither a variable nor a table")
    return found
