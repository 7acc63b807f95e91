"""The language of `tensorflow_federated` under its second import name: the same objects.

Examples:
  >>> import federated_language
  >>> import tensorflow_federated as tff
  >>> federated_language.federated_computation is tff.federated_computation
  True
"""

from __future__ import annotations

from federated_language import framework
from tensorflow_federated import (
    CLIENTS,
    SERVER,
    Computation,
    TypedObject,
    Value,
    __version__,
    federated_aggregate,
    federated_broadcast,
    federated_computation,
    federated_eval,
    federated_map,
    federated_max,
    federated_mean,
    federated_min,
    federated_secure_select,
    federated_secure_sum,
    federated_secure_sum_bitwidth,
    federated_select,
    federated_sum,
    federated_value,
    federated_zip,
    sequence_map,
    sequence_reduce,
    sequence_sum,
    to_value,
)
from tensorflow_federated.core import installation as _installation
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.public_types import (
    AbstractType,
    ArrayShape,
    FederatedType,
    FunctionType,
    PlacementType,
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
    to_type,
)
from tensorflow_federated.core.public_types import (
    is_shape_fully_defined as array_shape_is_fully_defined,
)
from tensorflow_federated.core.public_types import (
    num_elements_in_shape as num_elements_in_array_shape,
)

__all__ = [
    "AbstractType",
    "ArrayShape",
    "CLIENTS",
    "Computation",
    "FederatedType",
    "FunctionType",
    "PlacementType",
    "SERVER",
    "SequenceType",
    "StructType",
    "StructWithPythonType",
    "TensorType",
    "Type",
    "TypedObject",
    "Value",
    "__version__",
    "array_shape_is_fully_defined",
    "federated_aggregate",
    "federated_broadcast",
    "federated_computation",
    "federated_eval",
    "federated_map",
    "federated_max",
    "federated_mean",
    "federated_min",
    "federated_secure_select",
    "federated_secure_sum",
    "federated_secure_sum_bitwidth",
    "federated_select",
    "federated_sum",
    "federated_value",
    "federated_zip",
    "framework",
    "num_elements_in_array_shape",
    "sequence_map",
    "sequence_reduce",
    "sequence_sum",
    "to_type",
    "to_value",
]

_NO_PROTO = "write `tensorflow_federated.framework.serialize_computation` or `serialize_value`."
_BY_TYPE = "write `federated_language.to_type(dtype)`, which says what is wrong with it."

_REMOVED = {
    **dict.fromkeys(
        (
            "array_from_proto",
            "array_from_proto_content",
            "array_shape_from_proto",
            "array_shape_to_proto",
            "array_to_proto",
            "array_to_proto_content",
            "dtype_from_proto",
            "dtype_to_proto",
        ),
        _NO_PROTO,
    ),
    **dict.fromkeys(
        (
            "array_is_compatible_dtype",
            "array_is_compatible_shape",
            "can_cast_dtype",
            "infer_dtype",
            "is_valid_dtype",
        ),
        _BY_TYPE,
    ),
    "Array": "write the union of types that you mean; arrays are those of NumPy.",
    "Serializable": "write a protocol of your own with `to_bytes` and `from_bytes`.",
    "array_shape_is_compatible_with": "compare tensor types: `type.is_assignable_from(other)`.",
    "array_shape_is_scalar": "write `shape == ()`.",
    "program": "call computations in a loop of your own, and save what they return.",
}

_installation.warn_if_installed()

__getattr__, __dir__ = _namespaces.module_functions("federated_language", __all__, removed=_REMOVED)
