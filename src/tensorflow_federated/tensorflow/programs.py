"""Whole local programs as one graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.types import SequenceType, Type
from tensorflow_federated.execution import leaves as tensor_leaves
from tensorflow_federated.execution import local_programs, sequences
from tensorflow_federated.tensorflow import (
    arrays,
    calls,
    domain,
    graph_sequences,
    tracing,
    type_specs,
)

Form = tuple[bool, ...]
"""Whether random keys are given; then for each leaf of the parameter, whether it is a sequence that
is passed as columns."""


class GraphProgram:
    """A first-order local program, traced once for each form that its sequences come in."""

    def __init__(self, program: ir.Lambda) -> None:
        """Wraps a program.

        Args:
          program: the program; its computations are of this back end or portable.
        """
        # The program itself is not kept: it is the key, weakly held, under which this is kept.
        self._parameter_type = program.parameter_type
        self._leaf_types: tuple[Type, ...] = ()
        if program.parameter_type is not None:
            self._leaf_types = tensor_leaves.leaf_types(program.parameter_type)
        self._result_type = program.type_signature.result
        self._has_variables = bool(tracing.variables_of(program))
        self._no_keys = tf.zeros([0, 2], tf.int64)
        self._reads_sequences = any(
            isinstance(node, ir.Intrinsic) and node.uri.startswith("sequence_")
            for node in traversal.iterate(program)
        )
        self._graphs: dict[Form, calls.Call] = {}

    def run(self, program: ir.Lambda, argument: Any, keys: np.ndarray | None) -> Any:
        """Runs the program.

        Args:
          program: the program that this was made for.
          argument: its argument, canonical; None where it takes none.
          keys: the random keys, int64[draws, 2]; None where there is no client.

        Returns:
          Its result, canonical.
        """
        leaves: list[Any] = []
        if self._parameter_type is not None:
            leaves = tensor_leaves.flatten(argument, self._parameter_type)
        form = (keys is not None, *[self._as_columns(leaf) for leaf in leaves])
        if form not in self._graphs:
            self._graphs[form] = self._build(program, form)
        tensors = [self._no_keys if keys is None else tf.constant(keys, tf.int64)]
        for leaf, leaf_type, columns in zip(leaves, self._leaf_types, form[1:], strict=True):
            if columns:
                tensors.extend(_column_tensors(leaf))
            else:
                tensors.extend(arrays.to_tensors(leaf, leaf_type))
        with tracing.alone(self._has_variables):
            return arrays.from_tensors(self._graphs[form](tensors), self._result_type)

    def _as_columns(self, leaf: Any) -> bool:
        if not isinstance(leaf, sequences.Sequence) or not self._reads_sequences:
            return False
        return leaf.columns() is not None

    def _build(self, program: ir.Lambda, form: Form) -> calls.Call:
        specs = [tf.TensorSpec([None, 2], tf.int64)]
        for leaf_type, columns in zip(self._leaf_types, form[1:], strict=True):
            if columns:
                assert isinstance(leaf_type, SequenceType)
                specs.extend(graph_sequences.column_specs(leaf_type.element))
            else:
                specs.extend(type_specs.flat_specs(leaf_type))

        def run(keys: tf.Tensor, *tensors: tf.Tensor) -> list[tf.Tensor]:
            argument = None
            if self._parameter_type is not None:
                leaves = list(self._symbols(iter(tensors), form))
                argument = tensor_leaves.unflatten(leaves, self._parameter_type)
            result = local_programs.run(
                program, argument, domain.GraphDomain(keys if form[0] else None)
            )
            return domain.to_flat_tensors(result, self._result_type)

        function = tf.function(run, input_signature=specs, autograph=False)
        return calls.Call(function.get_concrete_function())

    def _symbols(self, tensors: Iterator[tf.Tensor], form: Form) -> Iterator[Any]:
        for leaf_type, columns in zip(self._leaf_types, form[1:], strict=True):
            if columns:
                assert isinstance(leaf_type, SequenceType)
                element_type = leaf_type.element
                parts = [next(tensors) for _ in graph_sequences.column_specs(element_type)]
                rows = tf.shape(parts[-1], tf.int64)[0]
                last = rows - 1 if sequences.is_batched(element_type) else rows
                yield graph_sequences.from_columns(
                    parts, tf.zeros([], tf.int64), last, element_type
                )
            else:
                yield domain.from_flat_tensors([next(tensors)], leaf_type)


def _column_tensors(sequence: sequences.Sequence) -> list[tf.Tensor]:
    columns = sequence.columns()
    assert columns is not None
    columns = columns.gathered()
    specs = graph_sequences.column_specs(sequence.element_type)
    parts = columns.leaves if columns.offsets is None else (*columns.leaves, columns.offsets)
    return [tf.constant(part, spec.dtype) for part, spec in zip(parts, specs, strict=True)]
