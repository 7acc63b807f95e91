"""Client steps as one graph: a loop over clients, inside it loops over their batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.compiler import plan
from tensorflow_federated.core import shapes
from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.execution import backends, local_programs, profiling, sequences
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.tensorflow import arrays, calls, domain, tracing, type_specs

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
    inputs = [leaf for slot in step.inputs for leaf in tensor_leaves.leaf_types(slot.type)]
    if not all(_has_columns(leaf) for leaf in inputs):
        return backends.NotCompiled("the shapes of the clients' values are not known")
    if not all(_is_static(leaf) for slot in step.broadcast for leaf in _leaves(slot.type)):
        return backends.NotCompiled("the shape of a broadcast value is not known")
    if not all(_is_accumulated(aggregate) for aggregate in step.aggregates):
        return backends.NotCompiled("the shape of an aggregate is not known")
    return ClientLoop(step)


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


def _is_accumulated(aggregate: plan.Aggregate) -> bool:
    return aggregate.kind != "collection" and all(
        _is_static(leaf) for leaf in _leaves(_accumulator_type(aggregate))
    )


def _accumulator_type(aggregate: plan.Aggregate) -> Type:
    if aggregate.accumulate is None:
        return aggregate.value_type
    return aggregate.accumulate.type_signature.result


class ClientLoop:
    """A client step over the clients of a chunk; see `execution.backends.CompiledStep`."""

    form = "one TensorFlow graph that loops over the clients of a chunk and their batches"

    def __init__(self, step: plan.ClientStep) -> None:
        """Traces the step into one graph.

        Args:
          step: the step.
        """
        self._step = step
        self._accumulator_types = [_accumulator_type(each) for each in step.aggregates]
        folds = [each.accumulate for each in step.aggregates if each.accumulate is not None]
        self._has_variables = tracing.has_variables(step.body, *folds)
        specs = [
            tf.TensorSpec([None, None, 2], tf.int64),
            *[spec for slot in step.broadcast for spec in type_specs.flat_specs(slot.type)],
            *[spec for each in self._accumulator_types for spec in type_specs.flat_specs(each)],
            *[spec for slot in step.inputs for spec in _input_specs(slot.type)],
        ]
        self._specs = specs
        self._lock = threading.Lock()
        self._traced: Any = None

    def place(self, broadcast: Sequence[Any]) -> list[tf.Tensor]:
        """The broadcast values as flat tensors."""
        return [
            tensor
            for slot, value in zip(self._step.broadcast, broadcast, strict=True)
            for tensor in arrays.to_tensors(value, slot.type)
        ]

    def prepare(self, clients: Sequence[Sequence[Any]]) -> list[tf.Tensor] | None:
        """The data of a chunk end to end; None if that of a client has no columns."""
        inputs: list[tf.Tensor] = []
        for slot, values in zip(self._step.inputs, clients, strict=True):
            tensors = _input_tensors(values, slot.type)
            if tensors is None:
                return None
            inputs.extend(tensors)
        return inputs

    def run(
        self,
        broadcast: list[tf.Tensor],
        zeros: Sequence[Any],
        prepared: list[tf.Tensor],
        keys: np.ndarray,
    ) -> tuple[Any, ...]:
        """Runs the step for each client in order and accumulates."""
        tensors = [tf.constant(keys, tf.int64), *broadcast]
        for zero_type, zero in zip(self._accumulator_types, zeros, strict=True):
            tensors.extend(arrays.to_tensors(zero, zero_type))
        function = self._function()
        with tracing.alone(self._has_variables):
            results = iter(calls.run(function, [*tensors, *prepared]))
        return tuple(
            arrays.from_tensors(_take(results, len(_leaves(each))), each)
            for each in self._accumulator_types
        )

    def _function(self) -> Any:
        with self._lock:
            if self._traced is None:
                with profiling.span("compile"):
                    function = tf.function(self._run, input_signature=self._specs, autograph=False)
                    self._traced = function.get_concrete_function()
                profiling.count(compilations=1)
            return self._traced

    def _run(self, keys: tf.Tensor, *tensors: tf.Tensor) -> list[tf.Tensor]:
        """The graph: one turn of the loop is one client."""
        step, remaining = self._step, iter(tensors)
        broadcast = [
            tensor_leaves.unflatten(_take(remaining, len(_leaves(slot.type))), slot.type)
            for slot in step.broadcast
        ]
        zeros = _take(remaining, sum(len(_leaves(each)) for each in self._accumulator_types))
        inputs = list(remaining)

        def turn(client: tf.Tensor, *accumulated: tf.Tensor) -> list[tf.Tensor]:
            parts, in_domain = iter(inputs), domain.GraphDomain(keys[client])
            own = [_of_client(slot.type, parts, client) for slot in step.inputs]
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
        return domain.loop(
            lambda client, *_: client < count,
            turn,
            [tf.zeros([], tf.int64), *zeros],
            [tf.TensorSpec([], tf.int64), *specs],
        )[1:]


def _take(tensors: Iterator[tf.Tensor], count: int) -> list[tf.Tensor]:
    return [next(tensors) for _ in range(count)]


def _input_specs(type_signature: Type) -> list[tf.TensorSpec]:
    """How the values of all clients for one input are passed, leaf after leaf.

    A tensor gets a leading dimension of clients. A sequence is the columns of all clients end to
    end, and where each client's elements start.
    """
    specs: list[tf.TensorSpec] = []
    for leaf in _leaves(type_signature):
        if isinstance(leaf, SequenceType):
            specs.extend(domain.column_specs(leaf.element))
            specs.append(tf.TensorSpec([None], tf.int64))
        else:
            (spec,) = type_specs.flat_specs(leaf)
            specs.append(tf.TensorSpec([None, *spec.shape], spec.dtype))
    return specs


def _of_client(type_signature: Type, parts: Iterator[tf.Tensor], client: tf.Tensor) -> Any:
    """The value of one client, in the graph, out of tensors of `_input_specs`."""
    leaves: list[Any] = []
    for leaf in _leaves(type_signature):
        if isinstance(leaf, SequenceType):
            columns = _take(parts, len(domain.column_specs(leaf.element)))
            starts = next(parts)
            leaves.append(
                domain.from_columns(columns, starts[client], starts[client + 1], leaf.element)
            )
        else:
            leaves.append(next(parts)[client])
    return tensor_leaves.unflatten(leaves, type_signature)


def _input_tensors(values: Sequence[Any], type_signature: Type) -> list[tf.Tensor] | None:
    """The values of all clients for one input, as tensors of `_input_specs`."""
    rows = [tensor_leaves.flatten(value, type_signature) for value in values]
    tensors: list[tf.Tensor] = []
    for index, leaf in enumerate(_leaves(type_signature)):
        of_leaf = [row[index] for row in rows]
        if isinstance(leaf, SequenceType):
            parts = _sequence_tensors(of_leaf, leaf.element)
            if parts is None:
                return None
            tensors.extend(parts)
        else:
            assert isinstance(leaf, TensorType)
            tensors.append(tf.constant(_stacked(of_leaf, leaf), type_specs.to_tf_dtype(leaf.dtype)))
    return tensors


def _stacked(values: Sequence[Any], tensor_type: TensorType) -> np.ndarray:
    sizes = [size or 0 for size in tensor_type.shape or ()]
    stacked = np.empty([len(values), *sizes], tensor_leaves.array_dtype(tensor_type))
    for client, value in enumerate(values):
        stacked[client] = value
    return stacked


def _sequence_tensors(
    client_sequences: Sequence[sequences.Sequence], element_type: Type
) -> list[tf.Tensor] | None:
    columns = [sequence.columns() for sequence in client_sequences]
    present = [each.gathered() for each in columns if each is not None]
    if len(present) < len(columns):
        return None
    specs = type_specs.flat_specs(element_type)
    tensors = [
        tf.constant(_end_to_end([each.leaves[i] for each in present], spec), spec.dtype)
        for i, spec in enumerate(specs)
    ]
    if sequences.is_batched(element_type):
        tensors.append(tf.constant(_offsets_end_to_end(present), tf.int64))
    starts = np.cumsum([0, *[len(each) for each in present]])
    return [*tensors, tf.constant(starts, tf.int64)]


def _end_to_end(columns: list[np.ndarray], spec: tf.TensorSpec) -> np.ndarray:
    if columns:
        return columns[0] if len(columns) == 1 else np.concatenate(columns)
    dtype = object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
    return np.empty([0, *[size or 0 for size in spec.shape]], dtype)


def _offsets_end_to_end(columns: list[sequences.Columns]) -> np.ndarray:
    """The offsets of all clients in the joined columns."""
    joined, rows = [np.zeros(1, np.int64)], 0
    for each in columns:
        assert each.offsets is not None
        joined.append(each.offsets[1:] + rows)
        rows += int(each.offsets[-1])
    return np.concatenate(joined)
