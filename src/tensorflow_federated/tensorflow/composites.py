"""Ragged and sparse tensors as structures of their parts; nothing is imported for it.

A ragged tensor is `<flat_values=T[?],nested_row_splits=<int64[?],...>>`, a sparse one
`<indices=int64[?,rank],values=T[?],dense_shape=int64[rank]>`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

_RAGGED = "RaggedTensor"
_NAMES = {
    _RAGGED: ("flat_values", "nested_row_splits"),
    "SparseTensor": ("indices", "values", "dense_shape"),
}


class TensorFlowComposites:
    """See `core.containers.Composites`."""

    def names(self, container: type[Any]) -> tuple[str, ...] | None:
        """The names of the parts of `tf.RaggedTensor` and of `tf.SparseTensor`."""
        if not container.__module__.startswith("tensorflow."):
            return None
        return _NAMES.get(container.__name__)

    def unpack(self, value: Any) -> list[tuple[str | None, Any]]:
        """The parts, which are tensors."""
        if type(value).__name__ == _RAGGED:
            parts = (value.flat_values, tuple(value.nested_row_splits))
            return list(zip(_NAMES[_RAGGED], parts, strict=True))
        return [(name, getattr(value, name)) for name in _NAMES[type(value).__name__]]

    def pack(self, container: type[Any], elements: Sequence[Any]) -> Any:
        """The tensor of parts that are tensors or numpy arrays."""
        if not all(_makes_tensors(element) for element in elements):
            return None
        if container.__name__ == _RAGGED:
            flat_values, row_splits = elements
            factory: Any = container
            return factory.from_nested_row_splits(flat_values, row_splits, validate=False)
        return container(*elements)


def _makes_tensors(element: Any) -> bool:
    if isinstance(element, tuple):
        return all(_makes_tensors(each) for each in element)
    return isinstance(element, np.ndarray) or sys.modules["tensorflow"].is_tensor(element)
