"""Assertions about types."""

from __future__ import annotations

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import Type


@errors.boundary
def assert_type_assignable_from(target_type: Type, source_type: Type) -> None:
    """Asserts that values of one type can be used where another type is expected.

    Args:
      target_type: the type that is expected.
      source_type: the type of the values.

    Raises:
      AssertionError: if they cannot.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> any_vector, vector = tff.TensorType(np.int32, [None]), tff.TensorType(np.int32, [3])
      >>> assert_type_assignable_from(any_vector, vector)
    """
    try:
        types.to_type(target_type).check_assignable_from(types.to_type(source_type))
    except errors.TypeNotAssignableError as error:
        raise AssertionError(str(error)) from None


@errors.boundary
def assert_types_equivalent(first_type: Type, second_type: Type) -> None:
    """Asserts that two types have the same values; Python containers may differ.

    Args:
      first_type: one type.
      second_type: the other type.

    Raises:
      AssertionError: if they have not.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> assert_types_equivalent(tff.to_type([np.int32]), tff.to_type((np.int32,)))
    """
    try:
        types.to_type(first_type).check_equivalent_to(types.to_type(second_type))
    except errors.TypesNotEquivalentError as error:
        raise AssertionError(str(error)) from None


@errors.boundary
def assert_types_identical(first_type: Type, second_type: Type) -> None:
    """Asserts that two types are the same, Python containers included.

    Args:
      first_type: one type.
      second_type: the other type.

    Raises:
      AssertionError: if they are not.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> assert_types_identical(tff.to_type([np.int32]), tff.to_type((np.int32,)))
      Traceback (most recent call last):
        ...
      AssertionError: ...
    """
    try:
        types.to_type(first_type).check_identical_to(types.to_type(second_type))
    except errors.TypesNotIdenticalError as error:
        raise AssertionError(str(error)) from None
