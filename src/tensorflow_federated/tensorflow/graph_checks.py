"""What a TensorFlow graph of unknown origin must not have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tensorflow_federated.core.byte_format import DEFAULT_LIMITS, Limits
from tensorflow_federated.tensorflow import graph_functions, operations

_SCREENS = (b"stderr", b"stdout", b"log(info)", b"log(warning)", b"log(error)")
_RESOURCES = ("VarHandleOp", "HashTableV2")


def problems(graph_def: Any, limits: Limits = DEFAULT_LIMITS) -> Iterator[str]:
    """Tells what is wrong with a graph; nothing if it only computes.

    Args:
      graph_def: the graph.
      limits: how much it may hold.
    """
    functions = [each.signature.name for each in graph_def.library.function]
    if len(set(functions)) < len(functions):
        yield "two functions have one name"
    count = sum(1 for _ in graph_functions.all_nodes(graph_def))
    if count > limits.records:
        yield f"it has {count} nodes, at most {limits.records} are read"
        return
    yield from _recursions(graph_def)
    yield from sorted(
        {
            f"the operation `{node.op:.80}` may do more than compute"
            for node in graph_functions.all_nodes(graph_def)
            if node.op not in operations.ALLOWED
            and node.op not in functions
            and node.op not in _RESOURCES
        }
    )
    for function in graph_def.library.function:
        for node in function.node_def:
            if node.op in _RESOURCES:
                yield f"`{node.name:.80}`: a variable or table in a function that others share"
    expanded = 0
    for node in graph_functions.all_nodes(graph_def):
        expanded += _expanded_bytes(node)
        if node.op == "PrintV2" and node.attr["output_stream"].s not in _SCREENS:
            yield f"`{node.name:.80}`: it prints into a file"
        if node.op == "CacheDatasetV2" and not _caches_in_memory(node, graph_def):
            yield f"`{node.name:.80}`: it caches in a file"
    if expanded > limits.expanded_bytes:
        yield (
            f"its constants and variables need {expanded} bytes more than they are written in, at "
            f"most {limits.expanded_bytes} are made"
        )


def _recursions(graph_def: Any) -> Iterator[str]:
    """Functions that call themselves, be it through others."""
    calls = {
        function.signature.name: {
            name for node in function.node_def for name in graph_functions.called_names(node)
        }
        for function in graph_def.library.function
    }
    while True:
        leaves = {name for name, called in calls.items() if not called & calls.keys()}
        if not leaves:
            break
        for name in leaves:
            del calls[name]
    if calls:
        yield f"the function `{min(calls):.80}` calls itself"


def _expanded_bytes(node: Any) -> int:
    """How much more memory the constants of a node take than they have bytes."""
    total = 0
    if node.op == "VarHandleOp":
        total += _size(node.attr["dtype"].type, node.attr["shape"].shape)
    for value in node.attr.values():
        tensors = [value.tensor] if value.HasField("tensor") else value.list.tensor
        for tensor in tensors:
            total += max(0, _size(tensor.dtype, tensor.tensor_shape) - tensor.ByteSize())
    return total


def _size(dtype: int, shape: Any) -> int:
    try:
        itemsize = tf.as_dtype(dtype).size or 8
    except TypeError:
        itemsize = 8
    return itemsize * math.prod(max(0, each.size) for each in shape.dim)


def _caches_in_memory(node: Any, graph_def: Any) -> bool:
    """Whether the file name of a cache is a constant, and empty."""
    if len(node.input) < 2:
        return False
    source = node.input[1].split(":")[0]
    for nodes in (graph_def.node, *(each.node_def for each in graph_def.library.function)):
        if any(each is node for each in nodes):
            named = [each for each in nodes if each.name == source and each.op == "Const"]
            return any(each.attr["value"].tensor.string_val[:] == [b""] for each in named)
    return False
