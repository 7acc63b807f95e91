"""Carries out local programs one operation at a time, on canonical values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import containers, errors, ir
from tensorflow_federated.core.local_computations import PORTABLE, LocalComputation
from tensorflow_federated.core.types import SequenceType, StructType, TensorType, Type
from tensorflow_federated.execution import (
    backends,
    random_keys,
    selections,
    sequences,
    sums,
    tensors,
    values,
)


class NumpyDomain:
    """The domain of canonical values.

    Portable computations run on numpy, others in their back end.
    """

    def __init__(self, keys: np.ndarray | None = None) -> None:
        """Makes a domain.

        Args:
          keys: int64[draws, 2], the random keys of the client whose work is carried out; None
            where there is no client.
        """
        self._keys = keys

    def literal(self, value: Any, type_signature: Type) -> Any:
        """A constant of the program."""
        assert isinstance(type_signature, TensorType)
        return tensors.as_dtype(value, type_signature)

    def call(self, computation: LocalComputation, argument: Any) -> Any:
        """Applies a local computation; `argument` is None where it takes none."""
        return evaluate(computation, argument)

    def sequence_map(self, fn: Callable[[Any], Any], sequence: Any, sequence_type: Type) -> Any:
        """Applies `fn` to each element; `sequence_type` is the type of the result."""
        assert isinstance(sequence_type, SequenceType)
        mapped = [fn(element) for element in _elements(sequence)]
        return sequences.Sequence.from_elements(mapped, sequence_type.element)

    def sequence_reduce(
        self, step: Callable[[Any, Any], Any], zero: Any, sequence: Any, zero_type: Type
    ) -> Any:
        """Folds `step(state, element)` over the elements, from `zero`."""
        del zero_type
        state = zero
        for element in _elements(sequence):
            state = step(state, element)
        return state

    def sequence_sum(self, sequence: Any, element_type: Type) -> Any:
        """Adds up the elements, leaf by leaf."""
        return sums.total(_elements(sequence), element_type)

    def sequence_of_keys(self, keys: Any, max_key: Any) -> Any:
        """The keys, a tensor int32[n], as a sequence; an error if one is not in 0 ... max_key-1."""
        return selections.sequence_of_keys(keys, max_key)

    def random_key(self, number: int) -> Any:
        """The key that this client gets at a draw of the program: an int64[2] tensor."""
        if self._keys is None:
            raise random_keys.no_client()
        return self._keys[number]


def _elements(sequence: Any) -> Any:
    return cast("sequences.Sequence", sequence).elements()


def evaluate(computation: LocalComputation, argument: Any) -> Any:
    """Runs one local computation on a canonical argument.

    Args:
      computation: a computation of any back end, or a portable one.
      argument: its argument; None where it takes none.

    Returns:
      Its canonical result.
    """
    if computation.backend != PORTABLE:
        return backends.get(computation.backend).evaluate(computation, argument)
    function_type = computation.type_signature
    # Division by zero gives inf or nan here as in every framework, without a warning.
    with np.errstate(all="ignore"):
        if function_type.parameter is None:
            result = computation.function()
        else:
            result = computation.function(values.to_python(argument, function_type.parameter))
        return _from_portable(result, function_type.result, computation.name)


def _from_portable(value: Any, type_signature: Type, name: str) -> Any:
    """The canonical value of what a portable function returned."""
    if isinstance(type_signature, StructType):
        elements = containers.unpack(value)
        ordered = None
        if elements is not None:
            ordered = containers.in_order(elements, ir.element_names(type_signature))
        if ordered is None:
            raise errors.TypeMismatchError(
                f"the portable computation `{name}` returned another structure than its type says.",
                problems=[f"result: expected {type_signature}, got {value!r:.200}"],
            )
        return tuple(
            _from_portable(element, element_type, name)
            for element, (_, element_type) in zip(ordered, type_signature.items(), strict=True)
        )
    assert isinstance(type_signature, TensorType)
    array = tensors.as_numpy(value)
    if array is not None:
        result = tensors.as_dtype(array, type_signature)
        if tensors.has_shape(result, type_signature):
            return result
    raise errors.TypeMismatchError(
        f"the portable computation `{name}` returned another tensor than its type says.",
        problems=[f"result: expected {type_signature}, got {value!r:.200}"],
    )
