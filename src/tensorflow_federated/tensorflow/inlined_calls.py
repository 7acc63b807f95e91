"""Bodies of functions without the calls in them: what is called is done in place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tensorflow_federated.tensorflow import graph_bodies
from tensorflow_federated.tensorflow.graph_bodies import Body

# What a function says of itself that would be lost.
_KEPT_APART = ("_noinline", "_XlaMustCompile", "api_implements")

# How TensorFlow calls functions without effects, and those with.
_CALL = "PartitionedCall"
_CALL_WITH_EFFECTS = "StatefulPartitionedCall"


def inlined(body: Body, *, with_effects: bool = False) -> Body:
    """The body in which the calls of functions are replaced by what these do.

    Functions that are compiled apart stay calls.

    Args:
      body: the body.
      with_effects: whether calls of functions with effects are replaced too. What waits for such a
        call then waits for all that the function does.

    Returns:
      A body that computes the same.
    """
    nodes: list[Any] = []
    instead: dict[str, str] = {}
    ends: dict[str, str] = {}
    for node in body.nodes:
        called = _called(node, body, with_effects)
        if called is None:
            nodes.append(_copy(node))
            continue
        in_place = _InPlace(node, called)
        nodes.extend(in_place.nodes)
        instead.update(in_place.results)
        ends[node.name] = ""
        if node.op == _CALL_WITH_EFFECTS:
            nodes.extend(in_place.framed())
            ends[node.name] = in_place.end
    if not ends:
        return body
    for node in nodes:
        sources = [
            ends.get(graph_bodies.node_of(source), source)
            if graph_bodies.is_control(source)
            else _followed(source, instead)
            for source in node.input
        ]
        del node.input[:]
        node.input.extend(filter(None, sources))
    outputs = tuple(_followed(output, instead) for output in body.outputs)
    return dataclasses.replace(body, nodes=tuple(nodes), outputs=outputs)


def _called(node: Any, body: Body, with_effects: bool) -> Body | None:
    """The body of the function that a node calls, itself without calls; None if it is no call."""
    if node.op != _CALL and not (with_effects and node.op == _CALL_WITH_EFFECTS):
        return None
    function = body.functions.get(node.attr["f"].func.name)
    if function is None or any(name in function.attr for name in _KEPT_APART):
        return None
    return inlined(body.function(function.signature.name), with_effects=with_effects)


class _InPlace:
    """What a function does, where it is called.

    Attributes:
      nodes: its nodes, under names of their own.
      results: what the results of the call are instead.
      end: what waits for the whole call waits for this, if the nodes are framed.
    """

    def __init__(self, call: Any, called: Body) -> None:
        """Takes the call, and the function that it calls."""
        self._call = call
        self._prefix = f"{call.name}/in_place/"
        given = [source for source in call.input if not graph_bodies.is_control(source)]
        names = dict(zip(called.inputs, given, strict=True))
        # The arguments are there before the function begins: nothing need wait for them.
        waits = {f"^{graph_bodies.node_of(each)}": "" for each in called.inputs}
        self.nodes = [self._placed(node, names | waits) for node in called.nodes]
        self.results = {
            f"{call.name}:{index}": self._renamed(output, names)
            for index, output in enumerate(called.outputs)
        }
        self.end = f"^{self._prefix}end"

    def framed(self) -> Iterable[Any]:
        """Lets the nodes wait for what the call waits for; returns the nodes that this takes."""
        waits = [source for source in self._call.input if graph_bodies.is_control(source)]
        start = self._no_op("start", waits)
        for node in self.nodes:
            node.input.append(f"^{start.name}")
        return start, self._no_op("end", [f"^{node.name}" for node in (start, *self.nodes)])

    def _placed(self, node: Any, names: Mapping[str, str]) -> Any:
        placed = _copy(node)
        placed.name = self._prefix + node.name
        del placed.input[:]
        placed.input.extend(filter(None, (self._renamed(each, names) for each in node.input)))
        return placed

    def _renamed(self, source: str, names: Mapping[str, str]) -> str:
        """What a tensor inside of the function is called outside."""
        if source in names:
            return names[source]
        mark = "^" if graph_bodies.is_control(source) else ""
        return f"{mark}{self._prefix}{source.removeprefix('^')}"

    def _no_op(self, name: str, waits: Iterable[str]) -> Any:
        node = type(self._call)(name=self._prefix + name, op="NoOp")
        node.input.extend(waits)
        return node


def _copy(node: Any) -> Any:
    copied = type(node)()
    copied.CopyFrom(node)
    return copied


def _followed(source: str, instead: Mapping[str, str]) -> str:
    """The tensor itself, where calls hand on what other calls give."""
    while source in instead:
        source = instead[source]
    return source
