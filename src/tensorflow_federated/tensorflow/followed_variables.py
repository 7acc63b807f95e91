"""Functions on variables as functions of values: nothing is set, and nothing read.

A function that sets all of its variables before it reads them computes the same from values alone:
what it reads is what it has set last. TensorFlow keeps the order of what is done to a variable by
letting one operation wait for another, so the graph tells the order.
"""

from __future__ import annotations

import dataclasses
import graphlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tensorflow_federated.tensorflow import graph_bodies, inlined_calls
from tensorflow_federated.tensorflow.graph_bodies import Body


class WithoutVariables(NamedTuple):
    """A function of values.

    Attributes:
      body: what it does; it takes the arguments, and what is captured.
      captured: what else than variables the function on variables has captured.
    """

    body: Body
    captured: tuple[Any, ...]


def without_variables(concrete: Any, variables: Sequence[tf.Variable]) -> WithoutVariables | None:
    """The same function, in which values take the place of variables.

    Args:
      concrete: the traced function.
      variables: those that it may use; it sets them before it reads them.

    Returns:
      The function, which has no effects; None if it does to a variable what is not known here, has
      other effects, or reads a variable before it has set it.
    """
    body = inlined_calls.inlined(graph_bodies.of_concrete(concrete), with_effects=True)
    dtypes = {id(variable.handle): variable.dtype for variable in variables}
    count = len(body.inputs) - len(concrete.captured_inputs)
    captured = dict(zip(body.inputs[count:], concrete.captured_inputs, strict=True))
    handles = {name: dtypes[id(each)] for name, each in captured.items() if id(each) in dtypes}
    followed = _Followed(body, handles)
    try:
        for node in body.in_order():
            followed.take(node)
        outputs = tuple(followed.now(output) for output in body.outputs)
    except (_NotFollowed, graphlib.CycleError):
        return None
    beside = {name: each for name, each in captured.items() if name not in handles}
    body = dataclasses.replace(
        body,
        inputs=(*body.inputs[:count], *beside),
        nodes=tuple(followed.nodes),
        outputs=outputs,
    )
    return WithoutVariables(body, tuple(beside.values()))


class _NotFollowed(Exception):
    """A function does what is not followed."""


class _Order:
    """Which nodes are done after which."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        # For each node, those before it and itself, as the bits of a number.
        self._before: dict[str, int] = {}

    def add(self, node: Any) -> None:
        """Adds a node, all of whose sources were added before."""
        name, number = node.name, len(self._numbers)
        before = 1 << number
        for source in node.input:
            before |= self._before.get(graph_bodies.node_of(source), 0)
        self._numbers[name], self._before[name] = number, before

    def check(self, first: str, then: str) -> None:
        """Checks that a node waits for another.

        Raises:
          _NotFollowed: if it does not, so that either may come first.
        """
        if not self._before[then] >> self._numbers[first] & 1:
            raise _NotFollowed(then)


@dataclasses.dataclass
class _Variable:
    """A variable, at one place of the order.

    Attributes:
      dtype: its dtype.
      value: the tensor that it holds; empty before it is set.
      set_at: the node that has set it.
      read_at: the nodes that have read it since.
    """

    dtype: tf.DType
    value: str = ""
    set_at: str = ""
    read_at: list[str] = dataclasses.field(default_factory=list)


class _Followed:
    """Goes through the nodes of a body in order, and knows what each variable holds.

    Attributes:
      nodes: the nodes without variables.
    """

    def __init__(self, body: Body, handles: Mapping[str, tf.DType]) -> None:
        """Takes a body without calls, and the dtypes of the variables among its arguments."""
        self.nodes: list[Any] = []
        self._functions = body.functions
        self._variables = {name: _Variable(dtype) for name, dtype in handles.items()}
        self._order = _Order()
        self._instead: dict[str, str] = {}
        self._kept: set[str] = set()

    def now(self, source: str) -> str:
        """What a tensor of the body is called without variables.

        Raises:
          _NotFollowed: if it stands for a variable.
        """
        if source in self._variables:
            raise _NotFollowed(source)
        return self._instead.get(source, source)

    def take(self, node: Any) -> None:
        """Follows a node, after all that it reads or waits for.

        Raises:
          _NotFollowed: if it does what is not followed.
        """
        self._order.add(node)
        sources = [each for each in node.input if not graph_bodies.is_control(each)]
        variable = self._variables.get(sources[0]) if sources else None
        if variable is not None:
            if node.op not in _FOLLOWED:
                raise _NotFollowed(node.op)
            values = [self.now(each) for each in sources[1:]]
            _FOLLOWED[node.op](self, node, variable, values)
        elif node.op in self._functions or graph_bodies.definition(node.op).is_stateful:
            raise _NotFollowed(node.op)
        elif node.op != "NoOp":
            # Checks without results are waited for.
            waits = [each for each in node.input if each.removeprefix("^") in self._kept]
            self._kept.add(node.name)
            values = [self.now(each) for each in sources]
            self._add(node.name, node.op, [*values, *waits], node.attr)

    def identity(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows another name of a variable."""
        del values
        self._variables[f"{node.name}:0"] = variable

    def read(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows a read of the whole variable."""
        del values
        self._instead[f"{node.name}:0"] = self._value(node, variable)

    def assign(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows what sets a variable."""
        if variable.set_at:
            self._order.check(variable.set_at, node.name)
        for reader in variable.read_at:
            self._order.check(reader, node.name)
        variable.value, variable.set_at, variable.read_at = values[0], node.name, []

    def assign_add(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows what adds to a variable."""
        self._assign_result("AddV2", node, variable, values)

    def assign_sub(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows what subtracts from a variable."""
        self._assign_result("Sub", node, variable, values)

    def gather(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows what reads some rows of a variable, as embeddings do."""
        axis = tf.compat.v1.AttrValue(tensor=tf.make_tensor_proto(0, tf.int32))
        axis_type = tf.compat.v1.AttrValue(type=tf.int32.as_datatype_enum)
        constant = {"value": axis, "dtype": axis_type}
        self._add(f"{node.name}/axis", "Const", [], constant)
        attributes = {
            "Tparams": node.attr["dtype"],
            "Tindices": node.attr["Tindices"],
            "Taxis": axis_type,
            "batch_dims": node.attr["batch_dims"],
        }
        sources = [self._value(node, variable), *values, f"{node.name}/axis:0"]
        self._add(node.name, "GatherV2", sources, attributes)

    def shape(self, node: Any, variable: _Variable, values: list[str]) -> None:
        """Follows what reads the shape of a variable."""
        del values
        dtype = tf.compat.v1.AttrValue(type=variable.dtype.as_datatype_enum)
        attributes = {"T": dtype, "out_type": node.attr["out_type"]}
        self._add(node.name, "Shape", [self._value(node, variable)], attributes)

    def _assign_result(self, op: str, node: Any, variable: _Variable, values: list[str]) -> None:
        sources = [self._value(node, variable), *values]
        self._add(node.name, op, sources, {"T": node.attr["dtype"]})
        variable.read_at.remove(node.name)
        self.assign(node, variable, [f"{node.name}:0"])

    def _value(self, node: Any, variable: _Variable) -> str:
        """What a variable holds where a node reads it."""
        if not variable.set_at:
            raise _NotFollowed(node.op)
        self._order.check(variable.set_at, node.name)
        variable.read_at.append(node.name)
        return variable.value

    def _add(
        self, name: str, op: str, sources: Sequence[str], attributes: Mapping[str, Any]
    ) -> None:
        node = tf.compat.v1.NodeDef(name=name, op=op, input=sources)
        for key, value in attributes.items():
            node.attr[key].CopyFrom(value)
        self.nodes.append(node)


_FOLLOWED: dict[str, Callable[[_Followed, Any, _Variable, list[str]], None]] = {
    "Identity": _Followed.identity,
    "ReadVariableOp": _Followed.read,
    "AssignVariableOp": _Followed.assign,
    "AssignAddVariableOp": _Followed.assign_add,
    "AssignSubVariableOp": _Followed.assign_sub,
    "ResourceGather": _Followed.gather,
    "VariableShape": _Followed.shape,
}
