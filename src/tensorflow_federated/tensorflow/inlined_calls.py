"""Bodies of functions without the calls in them: what is called is done in place."""

from __future__ import annotations

import dataclasses
from typing import Any

from tensorflow_federated.tensorflow import graph_bodies
from tensorflow_federated.tensorflow.graph_bodies import Body

# What a function says of itself that would be lost.
_KEPT_APART = ("_noinline", "_XlaMustCompile", "api_implements")


def inlined(body: Body) -> Body:
    """The body in which the calls of functions without effects are replaced by what these do.

    Functions with effects stay calls, and so do those that are compiled apart.

    Args:
      body: the body.

    Returns:
      A body that computes the same.
    """
    nodes: list[Any] = []
    instead: dict[str, str] = {}
    gone: set[str] = set()
    for node in body.nodes:
        called = _called_without_effects(node, body)
        if called is None:
            nodes.append(_copy(node))
            continue
        gone.add(node.name)
        prefix = f"{node.name}/in_place/"
        names = dict(zip(called.inputs, _data_inputs(node), strict=True))
        for each in called.nodes:
            done = _copy(each)
            done.name = prefix + each.name
            del done.input[:]
            done.input.extend(_renamed(source, names, prefix) for source in each.input)
            nodes.append(done)
        for index, output in enumerate(called.outputs):
            instead[f"{node.name}:{index}"] = _renamed(output, names, prefix)
    if not gone:
        return body
    for node in nodes:
        sources = [
            _followed(source, instead)
            for source in node.input
            if not (graph_bodies.is_control(source) and graph_bodies.node_of(source) in gone)
        ]
        del node.input[:]
        node.input.extend(sources)
    outputs = tuple(_followed(output, instead) for output in body.outputs)
    return dataclasses.replace(body, nodes=tuple(nodes), outputs=outputs)


def _called_without_effects(node: Any, body: Body) -> Body | None:
    """The body of the function that a node calls, itself without calls; None if it is no call."""
    # TensorFlow calls a function with effects by another operation.
    if node.op != "PartitionedCall":
        return None
    function = body.functions.get(node.attr["f"].func.name)
    if function is None or any(name in function.attr for name in _KEPT_APART):
        return None
    return inlined(body.function(function.signature.name))


def _copy(node: Any) -> Any:
    copied = type(node)()
    copied.CopyFrom(node)
    return copied


def _data_inputs(node: Any) -> list[str]:
    return [source for source in node.input if not graph_bodies.is_control(source)]


def _renamed(source: str, names: dict[str, str], prefix: str) -> str:
    """What a tensor inside of a function is called outside."""
    if graph_bodies.is_control(source):
        return f"^{prefix}{source.removeprefix('^')}"
    return names.get(source, prefix + source)


def _followed(source: str, instead: dict[str, str]) -> str:
    """The tensor itself, where calls hand on what other calls give."""
    while source in instead:
        source = instead[source]
    return source
