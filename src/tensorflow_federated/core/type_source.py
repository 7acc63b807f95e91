"""Types as the Python code that makes them, for messages that say what to write."""

from __future__ import annotations

from tensorflow_federated.core import dtypes
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    TensorType,
    Type,
)


def to_source(type_signature: Type) -> str:
    """Returns code that `tff.to_type` reads as this type; Python containers are not kept.

    Args:
      type_signature: a type without abstract types.

    Returns:
      The code, with the modules under the names `np` and `tff`.

    Examples:
      >>> import numpy as np
      >>> from tensorflow_federated.core import types
      >>> to_source(types.to_type([(np.float32, [2]), np.str_]))
      '[(np.float32, [2]), np.str_]'
      >>> to_source(types.SequenceType([("x", np.int32)]))
      'tff.SequenceType([("x", np.int32)])'
    """
    match type_signature:
        case TensorType(shape=shape, dtype=dtype):
            name = "np.str_" if dtypes.is_string(dtype) else _dtype_source(dtype.name)
            if shape is None:
                return f"tff.TensorType({name}, None)"
            return name if not shape else f"({name}, {list(shape)})"
        case StructType():
            elements = [
                to_source(each) if name is None else f'("{name}", {to_source(each)})'
                for name, each in type_signature.items()
            ]
            return f"[{', '.join(elements)}]"
        case SequenceType(element=element):
            return f"tff.SequenceType({to_source(element)})"
        case FederatedType(member=member, placement=placement, all_equal=all_equal):
            given = [to_source(member), f"tff.{placement}"]
            if all_equal != placement.default_all_equal:
                given.append(f"all_equal={all_equal}")
            return f"tff.FederatedType({', '.join(given)})"
        case FunctionType(parameter=parameter, result=result):
            taken = None if parameter is None else to_source(parameter)
            return f"tff.FunctionType({taken}, {to_source(result)})"
        case _:
            raise TypeError(f"There is no code for the type {type_signature}.")


def _dtype_source(name: str) -> str:
    """The code of a dtype that NumPy has, or that its extensions have."""
    if name == "bool":
        return "np.bool_"
    is_of_numpy = name.startswith(("int", "uint", "float", "complex")) and "_" not in name
    return f"np.{name}" if is_of_numpy and name[-1].isdigit() else f"ml_dtypes.{name}"
