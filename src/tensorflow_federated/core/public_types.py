"""`tff.types`: the types of the language, and questions about them."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.errors import (
    TypeNotAssignableError,
    TypesNotEquivalentError,
    TypesNotIdenticalError,
    UnexpectedTypeError,
)
from tensorflow_federated.core.shapes import (
    ArrayShape,
    is_shape_fully_defined,
    num_elements_in_shape,
)
from tensorflow_federated.core.spec_writers import type_to_tf_tensor_specs
from tensorflow_federated.core.type_encoding import deserialize_type, serialize_type
from tensorflow_federated.core.type_predicates import (
    contains,
    contains_only,
    count,
    is_structure_of_floats,
    is_structure_of_integers,
    is_structure_of_tensors,
    is_tensorflow_compatible_type,
)
from tensorflow_federated.core.type_relations import TypeRelation, type_mismatch_error_message
from tensorflow_federated.core.type_trees import (
    structure_from_tensor_type_tree,
    type_to_py_container,
)
from tensorflow_federated.core.types import (
    AbstractType,
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

__all__ = [
    "AbstractType",
    "ArrayShape",
    "FederatedType",
    "FunctionType",
    "PlacementType",
    "SequenceType",
    "StructType",
    "StructWithPythonType",
    "TensorType",
    "Type",
    "TypeNotAssignableError",
    "TypeRelation",
    "TypesNotEquivalentError",
    "TypesNotIdenticalError",
    "UnexpectedTypeError",
    "contains",
    "contains_only",
    "count",
    "deserialize_type",
    "is_shape_fully_defined",
    "is_structure_of_floats",
    "is_structure_of_integers",
    "is_structure_of_tensors",
    "is_tensorflow_compatible_type",
    "num_elements_in_shape",
    "serialize_type",
    "structure_from_tensor_type_tree",
    "tensorflow_to_type",
    "to_type",
    "type_mismatch_error_message",
    "type_to_py_container",
    "type_to_tf_tensor_specs",
]

tensorflow_to_type = to_type
"""Turns TensorFlow's specs into types; `to_type` reads them too."""

__getattr__, __dir__ = _namespaces.module_functions("tff.types", __all__)
