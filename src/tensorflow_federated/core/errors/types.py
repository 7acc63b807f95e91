"""Errors about types, and about values that are not of them."""

from __future__ import annotations

from tensorflow_federated.core.errors.root import FederatedError


class TypeMismatchError(FederatedError, TypeError, known_as="TypeError"):
    """A value or a type is not of the type that is expected there.

    Examples:
      Fails, for 2.5 is no int32:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def double(x):
      ...     return 2 * x
      >>> double(2.5)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.TypeMismatchError: the value is not of the type
        that is
        expected.
        argument: expected int32, got the float 2.5
        signature:   int32
        where:       <doctest ...
        fix:         cast it, if that is meant: `np.asarray(value, np.int32)`.

      Mended:

      >>> double(2)
      np.int32(4)
    """


class TypeNotAssignableError(TypeMismatchError):
    """A value of one type is used where another type, not assignable from it, is expected.

    Examples:
      Fails, for three numbers are needed, and there may be more:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> three = tff.TensorType(np.float32, [3])
      >>> any_size = tff.TensorType(np.float32, [None])
      >>> three.check_assignable_from(any_size)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.TypeNotAssignableError: A value of this type cannot
        be
        used here.
        expected float32[3], got float32[?]
        where:       <doctest ...

      Mended:

      >>> any_size.check_assignable_from(three)
    """


class TypesNotEquivalentError(TypeMismatchError):
    """Two types are not equivalent: values of one are not exactly the values of the other.

    Examples:
      Fails, for the dtypes differ:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type(np.int32).check_equivalent_to(tff.to_type(np.int64))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.TypesNotEquivalentError: The types are not
        equivalent.
        expected int32, got int64
        where:       <doctest ...

      Mended:

      >>> tff.to_type([np.int32]).check_equivalent_to(tff.to_type((np.int32,)))
    """


class TypesNotIdenticalError(TypeMismatchError):
    """Two types are not identical: they differ, be it in a Python container only.

    Examples:
      Fails, for one is a list and one a tuple:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type([np.int32]).check_identical_to(tff.to_type((np.int32,)))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.TypesNotIdenticalError: The types are not identical.
        expected the container list, got the container tuple
        where:       <doctest ...

      Mended:

      >>> tff.to_type([np.int32]).check_identical_to(tff.to_type([np.int32]))
    """


class UnexpectedTypeError(TypeMismatchError):
    """A type of one kind was given where another kind (function, struct, ...) is needed.

    Fails: `tff.sequence_sum(tff.to_type(np.int32))` traced over a tensor.
    Mended: give a value of type `int32*`.
    """


class ToTypeError(FederatedError, TypeError, known_as="TypeError"):
    """An object cannot be read as a type.

    Examples:
      Fails, for 3 is a value:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type(3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.ToTypeError: An object of type int is not a type
        spec.
        got: 3
        where:       <doctest ...
        fix:         give a dtype (`np.int32`), a pair (`(np.int32, [3])`), or a container of
          these.

      Mended:

      >>> tff.to_type(np.int32)
      TensorType(np.int32)
    """


class DTypeError(ToTypeError, NotImplementedError, known_as="NotImplementedError"):
    """No tensor can have this dtype.

    Examples:
      Fails, for a dtype is given by itself, not by its name:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.TensorType("int32")
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.DTypeError: 'int32' is not a dtype that a tensor can
        have.
        where:       <doctest ...
        fix:         use one of bool, int4, int8, ...

      Mended:

      >>> tff.TensorType(np.int32)
      TensorType(np.int32)
    """


class StructureError(FederatedError, ValueError, known_as="ValueError"):
    """A structure is malformed, or has not the names or the length that an operation needs.

    Examples:
      Fails, for `a` is there twice:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.StructType([("a", np.int32), ("a", np.int32)])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.StructureError: The name `a` is there twice.
        names: a, a
        where:       <doctest ...
        fix:         give each element its own name, or none.

      Mended:

      >>> str(tff.StructType([("a", np.int32), ("b", np.int32)]))
      '<a=int32,b=int32>'
    """


class ElementNameError(FederatedError, KeyError, AttributeError, known_as="AttributeError"):
    """A structure or its type has no element of that name.

    Examples:
      Fails, for the name is misspelt:

      >>> import tensorflow_federated as tff
      >>> weights = tff.structure.Struct([("kernel", 1), ("bias", 2)])
      >>> weights.kernal
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.ElementNameError: There is no element `kernal` in a
        struct of length 2.
        names: kernel, bias
        where:       <doctest ...
        fix:         did you mean `kernel`?

      Mended:

      >>> weights.kernel
      1
    """


class ElementKeyError(ElementNameError, known_as="KeyError"):
    """An element that does not exist was to be replaced.

    Examples:
      Fails, for there is no element of that name:

      >>> import tensorflow_federated as tff
      >>> tff.structure.update_struct({"kernel": 1, "bias": 2}, weight=3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.ElementKeyError: The structure has no element of that
        name.
        unknown: weight
        names: kernel, bias
        where:       <doctest ...

      Mended:

      >>> tff.structure.update_struct({"kernel": 1, "bias": 2}, bias=3)
      {'kernel': 1, 'bias': 3}
    """


class ElementIndexError(FederatedError, IndexError, known_as="IndexError"):
    """A structure or its type has no element at that position.

    Examples:
      Fails, for there are two elements:

      >>> import tensorflow_federated as tff
      >>> weights = tff.structure.Struct([("kernel", 1), ("bias", 2)])
      >>> weights[2]
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.ElementIndexError: There is no element 2 in a
        struct of
        length 2.
        where:       <doctest ...

      Mended:

      >>> weights[1]
      2
    """


class LiteralError(FederatedError, ValueError, known_as="ValueError"):
    """A value is not a constant of the type that it is given with.

    Examples:
      Fails, for 1.5 is no integer:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.framework.Literal(1.5, tff.TensorType(np.int32))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.types.LiteralError: this value is no constant of the type.
        value: expected int32, got the float 1.5
        signature:   int32
        where:       <doctest ...

      Mended:

      >>> print(tff.framework.Literal(1.5, tff.TensorType(np.float32)))
      1.5
    """
