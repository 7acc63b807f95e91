"""What is done in a TensorFlow graph or function, as nodes to copy into another graph."""

from __future__ import annotations

import dataclasses
import functools
import graphlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tensorflow_federated.tensorflow import graph_functions

_OWNERS = "owners of the functions that are called here"


@dataclasses.dataclass(frozen=True)
class Body:
    """What a function does. Tensors are named `node:index`, as in graphs.

    Attributes:
      inputs: the names of its arguments.
      nodes: what computes, in any order; the arguments are none.
      outputs: the names of its results.
      functions: the functions that nodes may call, by name.
      versions: those of TensorFlow that the nodes are of.
      owner: the traced function; TensorFlow forgets the functions when it ends.
    """

    inputs: tuple[str, ...]
    nodes: tuple[Any, ...]
    outputs: tuple[str, ...]
    functions: Mapping[str, Any]
    versions: Any
    owner: Any

    def function(self, name: str) -> Body:
        """The body of one of the functions."""
        return _of_function(self.functions[name], self)

    def in_order(self) -> tuple[Any, ...]:
        """The nodes, each after those that it reads or waits for.

        Raises:
          CycleError: if there are loops of nodes, as graphs of TensorFlow 1 may have them.
        """
        by_name = {node.name: node for node in self.nodes}
        before = {
            node.name: [node_of(each) for each in node.input if node_of(each) in by_name]
            for node in self.nodes
        }
        return tuple(by_name[name] for name in graphlib.TopologicalSorter(before).static_order())

    def pasted(
        self, nodes: Sequence[Any], values: Mapping[str, tf.Tensor], wanted: Iterable[str]
    ) -> dict[str, tf.Tensor]:
        """Copies some nodes into the graph that is being made.

        What they wait for outside of them is left to the order in which operations with effects
        are made: the graph being made keeps it.

        Args:
          nodes: the nodes.
          values: the tensors that they read from elsewhere, by name.
          wanted: names of tensors that they compute.

        Returns:
          These tensors, by name.
        """
        graph_def = tf.compat.v1.GraphDef(versions=self.versions)
        own = {node.name for node in nodes}
        read: dict[str, tf.Tensor] = {}
        for node in nodes:
            copied = graph_def.node.add()
            copied.CopyFrom(node)
            copied.attr.pop("_class", None)
            sources = [each for each in node.input if node_of(each) in own or not is_control(each)]
            del copied.input[:]
            copied.input.extend(sources)
            for source in sources:
                if node_of(source) not in own and source not in read:
                    read[source] = _in_this_graph(values[source])
        graph_def.library.function.extend(graph_functions.called(nodes, self.functions).values())
        names = [name for name in wanted if node_of(name) in own]
        tensors = tf.graph_util.import_graph_def(
            graph_def, input_map=read, return_elements=names, name=f"copied_{_depth()}"
        )
        tf.compat.v1.get_default_graph().add_to_collection(_OWNERS, self.owner)
        return dict(zip(names, tensors, strict=True))

    def applied(self, arguments: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Copies the whole body into the graph that is being made; returns its results."""
        values = dict(zip(self.inputs, arguments, strict=True))
        values.update(self.pasted(self.nodes, values, self.outputs))
        return [values[each] for each in self.outputs]

    def nodes_called(self, name: str) -> list[Any]:
        """The nodes of a function and of all that it calls."""
        own = self.functions[name].node_def
        others = graph_functions.called(own, self.functions).values()
        return [*own, *(node for each in others for node in each.node_def)]


def of_concrete(concrete: Any) -> Body:
    """The body of a traced function, whose last arguments are what it has captured."""
    graph_def = concrete.graph.as_graph_def()
    inputs = tuple(each.name for each in concrete.graph.inputs)
    functions = {each.signature.name: each for each in graph_def.library.function}
    arguments = {node_of(each) for each in inputs}
    nodes = [node for node in graph_def.node if node.name not in arguments]
    for node in nodes:
        for position, source in enumerate(node.input):
            node.input[position] = _with_index(source)
    outputs = tuple(each.name for each in concrete.outputs)
    return Body(inputs, tuple(nodes), outputs, functions, graph_def.versions, concrete)


def _of_function(function: Any, whole: Body) -> Body:
    """In a function a tensor is named after the output of its operation, and an index in that."""
    signature = function.signature
    names = {each.name: f"{each.name}:0" for each in signature.input_arg}
    for node in function.node_def:
        index = 0
        for output in _output_arguments(node, whole.functions):
            for number in range(_length(output, node)):
                names[f"{node.name}:{output.name}:{number}"] = f"{node.name}:{index}"
                index += 1
    nodes: list[Any] = []
    for node in function.node_def:
        renamed = type(node)()
        renamed.CopyFrom(node)
        for position, source in enumerate(node.input):
            renamed.input[position] = source if is_control(source) else names[source]
        nodes.append(renamed)
    return dataclasses.replace(
        whole,
        inputs=tuple(names[each.name] for each in signature.input_arg),
        nodes=tuple(nodes),
        outputs=tuple(names[function.ret[each.name]] for each in signature.output_arg),
    )


def _in_this_graph(tensor: tf.Tensor) -> tf.Tensor:
    """A tensor of this graph; the same one each time, which says what waits for what."""
    here: Any = tf.compat.v1.get_default_graph()
    return tensor if getattr(tensor, "graph", None) is here else here.capture(tensor)


def _depth() -> int:
    """How many graphs are around the graph that is being made.

    What comes from one of these keeps its name there. If such a name were that of something which
    is copied here, TensorFlow would give it a name that another thing has already.
    """
    depth, graph = 0, getattr(tf.compat.v1.get_default_graph(), "outer_graph", None)
    while graph is not None:
        depth, graph = depth + 1, getattr(graph, "outer_graph", None)
    return depth


@functools.cache
def definition(op: str) -> Any:
    """What TensorFlow knows of an operation."""
    return tf.Graph().op_def_for_type(op)  # type: ignore[attr-defined]


def _output_arguments(node: Any, functions: Mapping[str, Any]) -> Sequence[Any]:
    function = functions.get(node.op)
    return (definition(node.op) if function is None else function.signature).output_arg


def _length(argument: Any, node: Any) -> int:
    if argument.number_attr:
        return node.attr[argument.number_attr].i
    if argument.type_list_attr:
        return len(node.attr[argument.type_list_attr].list.type)
    return 1


def is_control(source: str) -> bool:
    """Whether an input of a node is only waited for."""
    return source.startswith("^")


def node_of(name: str) -> str:
    """The node of a tensor, or of what is waited for."""
    return name.removeprefix("^").partition(":")[0]


def _with_index(source: str) -> str:
    return source if is_control(source) or ":" in source else f"{source}:0"
