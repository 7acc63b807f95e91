"""What a function does with a dataset of known elements, as loops of the graph that it is part of.

`dataset.reduce(...)`, which is also what AutoGraph makes of `for batch in dataset`, starts an
iterator in threads of its own, which takes milliseconds for each client, whatever it does with the
batches. Where the elements are slices of tensors in the graph, a loop does the same.

A function whose dataset goes through anything else, such as another shuffle, keeps its dataset.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tensorflow_federated.tensorflow import graph_bodies, loops, staged_elements
from tensorflow_federated.tensorflow.graph_bodies import Body, is_control, node_of
from tensorflow_federated.tensorflow.graph_sequences import ColumnSequence
from tensorflow_federated.tensorflow.staged_elements import Elements, Stage

# What only says how elements are brought, not which.
_SAME = ("Identity", "PrefetchDataset", "OptionsDataset", "ModelDataset")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")

# What a function that is applied to elements may do beside computing. A random operation without a
# key goes on from one run of its kernel to the next: in a loop of all clients that is another one.
_EFFECTS = (
    *("ReadVariableOp", "VarIsInitializedOp", "VariableShape", "DisableCopyOnRead"),
    *("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"),
    *("If", "Case", "While", "StatefulPartitionedCall"),
    *("Assert", "PrintV2", "LookupTableFindV2", "LookupTableSizeV2"),
)
_EFFECTS_ON_VARIABLES = ("ResourceApply", "ResourceScatter", "ResourceGather")


class _Use(NamedTuple):
    """What an operation does with a function, and which attribute names it."""

    kind: str
    attribute: str


_FUNCTIONS: Mapping[str, _Use] = {
    "MapDataset": _Use(staged_elements.MAP, "f"),
    "ParallelMapDatasetV2": _Use(staged_elements.MAP, "f"),
    "ScanDataset": _Use(staged_elements.SCAN, "f"),
    "FilterDataset": _Use(staged_elements.FILTER, "predicate"),
    "TakeWhileDataset": _Use(staged_elements.WHILE, "predicate"),
    "ReduceDataset": _Use(staged_elements.FOLD, "f"),
}


class _UnknownError(Exception):
    """A dataset is used in a way that is not known here."""


def call(
    concrete: Any, arguments: Sequence[tf.Tensor | ColumnSequence], loop: loops.Loop
) -> list[tf.Tensor] | None:
    """Does in the graph that is being made what a function does, without datasets.

    Args:
      concrete: the traced function.
      arguments: its arguments, with what it has captured; sequences in the place of datasets.
      loop: makes the loops.

    Returns:
      Its results; None if it uses a dataset in a way that is not known here.
    """
    body = graph_bodies.of_concrete(concrete)
    program = _program_or_none(body, [isinstance(each, ColumnSequence) for each in arguments])
    if program is None:
        return None
    given = [Elements(each) if isinstance(each, ColumnSequence) else each for each in arguments]
    return program.run(given, loop)


def is_known(concrete: Any) -> bool:
    """Whether `call` does what a function does, if all its datasets are given as sequences."""
    arguments = len(concrete.inputs) - len(concrete.captured_inputs)
    are_sequences = [
        position < arguments and each.dtype == tf.variant
        for position, each in enumerate(concrete.inputs)
    ]
    return _program_or_none(graph_bodies.of_concrete(concrete), are_sequences) is not None


def _program_or_none(body: Body, are_sequences: Sequence[bool]) -> _Program | None:
    try:
        return _Program(body, are_sequences)
    except (_UnknownError, graphlib.CycleError):
        return None


class _Program:
    """What a function does, in an order in which it can be done without datasets."""

    def __init__(self, body: Body, are_datasets: Sequence[bool]) -> None:
        """Orders what a function does.

        Args:
          body: the body of the function.
          are_datasets: for each argument, whether it is a dataset.

        Raises:
          _UnknownError: if a dataset is used in a way that is not known here.
        """
        self._body = body
        self._nodes = {node.name: node for node in body.nodes}
        self._datasets = {
            name for name, is_one in zip(body.inputs, are_datasets, strict=True) if is_one
        }
        self._programs: dict[str, _Program] = {}
        # After so many loops it can be done.
        levels: dict[str, int] = {}
        self._plain: list[list[Any]] = [[]]
        self._special: list[list[Any]] = [[]]
        # What counts elements, and is done by the loop; from where each that counts them starts.
        self._counters: set[str] = set()
        self._first_numbers: dict[str, int] = {}
        for node in body.in_order():
            level = max((levels.get(node_of(each), 0) for each in node.input), default=0)
            while len(self._plain) <= level + 1:
                self._plain.append([])
                self._special.append([])
            levels[node.name] = level
            if any(each in self._datasets for each in node.input):
                self._special[level].append(node)
                levels[node.name] += not self._is_dataset(node)
            else:
                self._plain[level].append(node)
        if any(each in self._datasets for each in body.outputs):
            raise _UnknownError
        self._plain = [
            [node for node in nodes if node.name not in self._counters] for nodes in self._plain
        ]

    def _is_dataset(self, node: Any) -> bool:
        """Looks at a node that takes a dataset; whether what it gives is one."""
        if node.op in _CALLS or node.op in self._body.functions:
            are_datasets = [each in self._datasets for each in _read(node)]
            self._programs[node.name] = _Program(self._body.function(_called(node)), are_datasets)
            return False
        if self._datasets & set(_read(node)[1:]) and node.op != "ZipDataset":
            raise _UnknownError
        if node.op in _FUNCTIONS:
            self._check_function(node, _FUNCTIONS[node.op].attribute)
        if node.op == "ReduceDataset":
            return False
        if node.op == "RepeatDataset":
            if self._constant(node.input[1]) < 0:
                raise _UnknownError
        elif node.op == "ZipDataset":
            self._check_counts(node)
        elif node.op not in (*_FUNCTIONS, *_SAME, "TakeDataset", "SkipDataset"):
            raise _UnknownError
        self._datasets.add(f"{node.name}:0")
        return True

    def _check_counts(self, node: Any) -> None:
        """Checks that elements are joined with their numbers, as `enumerate` does it."""
        if len(_read(node)) != 2 or node.input[0] in self._datasets:
            raise _UnknownError
        counters: set[str] = set()
        counter = self._nodes.get(node_of(node.input[0]))
        while counter is not None and counter.op == "RewriteDataset":
            counters.add(counter.name)
            counter = self._nodes.get(node_of(counter.input[0]))
        if counter is None or counter.op != "RangeDataset":
            raise _UnknownError
        counters.add(counter.name)
        self._first_numbers[node.name], stop, by = map(self._constant, _read(counter))
        if stop < tf.int64.max or by != 1:
            raise _UnknownError
        for other in self._body.nodes:
            is_reader = other.name in counters or other is node
            if not is_reader and any(node_of(each) in counters for each in _read(other)):
                raise _UnknownError
        self._counters |= counters

    def _constant(self, name: str) -> int:
        node = self._nodes.get(node_of(name))
        if node is None or node.op != "Const":
            raise _UnknownError
        return int(tf.make_ndarray(node.attr["value"].tensor))

    def _check_function(self, node: Any, attribute: str) -> None:
        states = node.attr["Tstate"].list.type
        if {tf.variant.as_datatype_enum, tf.resource.as_datatype_enum} & set(states):
            raise _UnknownError
        for each in self._body.nodes_called(node.attr[attribute].func.name):
            if each.op in self._body.functions or each.op in _EFFECTS:
                continue
            is_on_variable = each.op.startswith(_EFFECTS_ON_VARIABLES)
            if graph_bodies.definition(each.op).is_stateful and not is_on_variable:
                raise _UnknownError

    def run(self, arguments: Sequence[tf.Tensor | Elements], loop: loops.Loop) -> list[tf.Tensor]:
        """Does it in the graph that is being made.

        Args:
          arguments: the arguments, elements in the place of datasets.
          loop: makes the loops.

        Returns:
          The results.
        """
        values: dict[str, Any] = dict(zip(self._body.inputs, arguments, strict=True))
        for plain, special in zip(self._plain, self._special, strict=True):
            if plain:
                values.update(self._body.pasted(plain, values, self._wanted()))
            for node in special:
                given = [
                    values[each] for each in _read(node) if node_of(each) not in self._counters
                ]
                results = self._result(node, given, loop)
                values.update({f"{node.name}:{i}": each for i, each in enumerate(results)})
        return [values[each] for each in self._body.outputs]

    def _wanted(self) -> list[str]:
        """The tensors that anything reads."""
        read = (each for node in self._body.nodes for each in _read(node))
        return list(dict.fromkeys([*read, *self._body.outputs]))

    def _result(self, node: Any, given: Sequence[Any], loop: loops.Loop) -> Sequence[Any]:
        """What a node gives that takes elements."""
        if node.name in self._programs:
            return self._programs[node.name].run(given, loop)
        elements, *others = given
        if node.op == "ReduceDataset":
            return elements.reduced(self._stage(node, others), loop)
        if node.op in _FUNCTIONS:
            return [elements.through(self._stage(node, others))]
        if node.op == "ZipDataset":
            return [elements.counted(self._first_numbers[node.name])]
        if node.op == "RepeatDataset":
            return [elements.repeated(self._constant(node.input[1]))]
        if node.op == "TakeDataset":
            return [elements.first(*others)]
        if node.op == "SkipDataset":
            return [elements.without_first(*others)]
        return [elements]

    def _stage(self, node: Any, given: Sequence[tf.Tensor]) -> Stage:
        """A stage of a node that takes the initial state and what else its function takes."""
        use = _FUNCTIONS[node.op]
        function = self._body.function(node.attr[use.attribute].func.name)
        first = len(node.attr["Tstate"].list.type)
        last = first + len(node.attr["Targuments"].list.type)
        return Stage(use.kind, function.applied, tuple(given[:first]), tuple(given[first:last]))


def _read(node: Any) -> list[str]:
    return [each for each in node.input if not is_control(each)]


def _called(node: Any) -> str:
    return node.attr["f"].func.name if node.op in _CALLS else node.op
