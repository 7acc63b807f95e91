"""Client steps as one graph: a loop over clients, inside it loops over their batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import ir, shapes, traversal
from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import backends, local_programs, profiling, sequences
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.tensorflow import (
    arrays,
    client_columns,
    dataset_loops,
    domain,
    loops,
    tracing,
    type_specs,
)

_T = TypeVar("_T")

# TensorFlow only stores and casts these; its loops on a processor do not carry them.
_NOT_IN_LOOPS = frozenset({"int4", "uint4", "float8_e4m3fn", "float8_e5m2"})


def compile_client_step(
    step: plan.ClientStep, settings: Settings
) -> ClientLoop | backends.NotCompiled:
    """Compiles a step over chunks of clients.

    Args:
      step: the step; its computations are of this back end or portable.
      settings: how the engine works.

    Returns:
      The compiled step; or why it is run for one client after the other.
    """
    del settings
    if step.kept:
        return backends.NotCompiled("it keeps values at the clients")
    if not step.aggregates:
        return backends.NotCompiled("nothing is aggregated")
    for slot in step.inputs:
        for leaf in _leaves(slot.type):
            if not _has_columns(leaf):
                return _not_compiled("the value that each client has of its own", leaf)
    for slot in step.broadcast:
        for leaf in _leaves(slot.type):
            if not _is_static(leaf):
                return _not_compiled("a value that is sent to the clients", leaf)
    for aggregate in step.aggregates:
        if aggregate.kind == "collection":
            return backends.NotCompiled("the values of the clients are collected, not added up")
        for leaf in _leaves(aggregate.accumulator_type):
            if not _is_static(leaf):
                return _not_compiled("a value that comes from the clients", leaf)
    return ClientLoop(step)


def _not_compiled(what: str, leaf: Type) -> backends.NotCompiled:
    tensors = _tensors(leaf.element) if isinstance(leaf, SequenceType) else [leaf]
    for each in tensors:
        if isinstance(each, TensorType) and each.dtype.name in _NOT_IN_LOOPS:
            return backends.NotCompiled(
                f"{what} is {leaf}, and loops of TensorFlow do not carry {each.dtype.name}"
            )
    return backends.NotCompiled(f"{what} is {leaf}, whose shape is not known")


def _leaves(type_signature: Type) -> tuple[Type, ...]:
    return tensor_leaves.leaf_types(type_signature)


def _is_static(leaf: Type) -> bool:
    if not isinstance(leaf, TensorType) or leaf.dtype.name in _NOT_IN_LOOPS:
        return False
    return shapes.is_shape_fully_defined(leaf.shape)


def _has_columns(leaf: Type) -> bool:
    if isinstance(leaf, SequenceType):
        if any(each.dtype.name in _NOT_IN_LOOPS for each in _tensors(leaf.element)):
            return False
        return sequences.is_batched(leaf.element) or sequences.is_stacked(leaf.element)
    return _is_static(leaf)


def _tensors(type_signature: Type) -> list[TensorType]:
    return [leaf for leaf in _leaves(type_signature) if isinstance(leaf, TensorType)]


def _form(step: plan.ClientStep) -> str:
    """What a step is compiled into, for explanations."""
    readers = sorted(
        {
            f"`{node.computation.name}`"
            for node in traversal.iterate(step.body)
            if isinstance(node, ir.Local)
            and node.computation.backend == tracing.NAME
            and _takes_dataset(node)
            and not dataset_loops.is_known(node.computation.function.concrete)
        }
    )
    form = "one TensorFlow graph that loops over the clients of a chunk"
    if not readers:
        return f"{form} and their batches"
    return f"{form}, in which {' and '.join(readers)} has `tf.data` run a dataset of each"


def _takes_dataset(node: ir.Local) -> bool:
    parameter = node.type_signature.parameter
    return parameter is not None and any(isinstance(e, SequenceType) for e in _leaves(parameter))


class _Placed:
    """What all chunks of a call start from, as tensors."""

    def __init__(self, tensors: list[tf.Tensor]) -> None:
        """Takes the broadcast values."""
        self.tensors = tensors
        self._first: tuple[Sequence[Any], list[tf.Tensor]] | None = None

    def zeros(
        self, zeros: Sequence[Any], make: Callable[[Sequence[Any]], list[tf.Tensor]]
    ) -> list[tf.Tensor]:
        """The tensors of what is accumulated on, made once for those that all chunks have."""
        first = self._first
        if first is None:
            # Two threads may both make them, which does no harm.
            first = self._first = zeros, make(zeros)
        return first[1] if first[0] is zeros else make(zeros)


class ClientLoop:
    """A client step over the clients of a chunk; see `execution.backends.CompiledStep`."""

    def __init__(self, step: plan.ClientStep) -> None:
        """Traces the step into one graph.

        Args:
          step: the step.
        """
        self.form = _form(step)
        self._step = step
        self._accumulator_types = [each.accumulator_type for each in step.aggregates]
        folds = [each.accumulate for each in step.aggregates if each.accumulate is not None]
        self._variables = tracing.variables_of(step.body, *folds)
        specs = [
            tf.TensorSpec([None, None, 2], tf.int64),
            *[spec for slot in step.broadcast for spec in type_specs.flat_specs(slot.type)],
            *[spec for each in self._accumulator_types for spec in type_specs.flat_specs(each)],
            *[spec for slot in step.inputs for spec in client_columns.specs(slot.type)],
        ]
        self._specs = specs
        self._lock = threading.Lock()
        self._traced: Any = None

    def place(self, broadcast: Sequence[Any]) -> _Placed:
        """The broadcast values as flat tensors."""
        return _Placed(
            [
                tensor
                for slot, value in zip(self._step.broadcast, broadcast, strict=True)
                for tensor in arrays.to_tensors(value, slot.type)
            ]
        )

    def prepare(self, clients: Sequence[Sequence[Any]]) -> list[tf.Tensor] | None:
        """The data of a chunk end to end; None if that of a client has no columns."""
        inputs: list[tf.Tensor] = []
        for slot, values in zip(self._step.inputs, clients, strict=True):
            tensors = client_columns.tensors(values, slot.type)
            if tensors is None:
                return None
            inputs.extend(tensors)
        return inputs

    def run(
        self,
        broadcast: _Placed,
        zeros: Sequence[Any],
        prepared: list[tf.Tensor],
        keys: np.ndarray,
    ) -> tuple[Any, ...]:
        """Runs the step for each client in order and accumulates."""
        starts = broadcast.zeros(zeros, self._zero_tensors)
        tensors = [tf.constant(keys, tf.int64), *broadcast.tensors, *starts, *prepared]
        results = iter(self._function()(tensors))
        return tuple(
            tensor_leaves.unflatten(_take(results, len(_leaves(each))), each)
            for each in self._accumulator_types
        )

    def _zero_tensors(self, zeros: Sequence[Any]) -> list[tf.Tensor]:
        return [
            tensor
            for zero_type, zero in zip(self._accumulator_types, zeros, strict=True)
            for tensor in arrays.to_tensors(zero, zero_type)
        ]

    def _function(self) -> Any:
        with self._lock:
            if self._traced is None:
                with profiling.span("compile"):
                    self._traced = loops.trace(self._graph, self._specs, self._variables)
                profiling.count(compilations=1)
            return self._traced

    def _graph(self, loop: loops.Loop) -> Any:
        return lambda keys, *tensors: self._run(loop, keys, *tensors)

    def _run(self, loop: loops.Loop, keys: tf.Tensor, *tensors: tf.Tensor) -> list[tf.Tensor]:
        """The graph: one turn of the loop is one client."""
        step, remaining = self._step, iter(tensors)
        broadcast = [
            tensor_leaves.unflatten(_take(remaining, len(_leaves(slot.type))), slot.type)
            for slot in step.broadcast
        ]
        zeros = _take(remaining, sum(len(_leaves(each)) for each in self._accumulator_types))
        inputs = list(remaining)

        def turn(client: tf.Tensor, *accumulated: tf.Tensor) -> list[tf.Tensor]:
            parts, in_domain = iter(inputs), domain.GraphDomain(keys[client], loop)
            own = [client_columns.of_client(slot.type, parts, client) for slot in step.inputs]
            results = local_programs.run(step.body, (*broadcast, *own), in_domain)
            state, following = iter(accumulated), [client + 1]
            for aggregate, state_type, value in zip(
                step.aggregates, self._accumulator_types, results, strict=True
            ):
                before = tensor_leaves.unflatten(_take(state, len(_leaves(state_type))), state_type)
                if aggregate.accumulate is None:
                    after = domain.add(before, value, state_type)
                else:
                    after = local_programs.run(aggregate.accumulate, (before, value), in_domain)
                following.extend(tensor_leaves.flatten(after, state_type))
            return following

        count = tf.shape(keys, tf.int64)[0]
        specs = [spec for each in self._accumulator_types for spec in type_specs.flat_specs(each)]
        return loop(
            lambda client, *_: client < count,
            turn,
            [tf.zeros([], tf.int64), *zeros],
            [tf.TensorSpec([], tf.int64), *specs],
        )[1:]


def _take(values: Iterator[_T], count: int) -> list[_T]:
    return [next(values) for _ in range(count)]
