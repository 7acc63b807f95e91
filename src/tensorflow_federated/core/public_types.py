"""`tff.types`: the types of the language, and questions about them."""

from __future__ import annotations

from tensorflow_federated.core.containers import pack as pack
from tensorflow_federated.core.type_inference import infer_type as infer_type
from tensorflow_federated.core.type_predicates import contains as contains
from tensorflow_federated.core.type_predicates import contains_only as contains_only
from tensorflow_federated.core.type_predicates import count as count
from tensorflow_federated.core.type_predicates import (
    is_structure_of_floats as is_structure_of_floats,
)
from tensorflow_federated.core.type_predicates import (
    is_structure_of_integers as is_structure_of_integers,
)
from tensorflow_federated.core.type_predicates import (
    is_structure_of_tensors as is_structure_of_tensors,
)
from tensorflow_federated.core.types import AbstractType as AbstractType
from tensorflow_federated.core.types import FederatedType as FederatedType
from tensorflow_federated.core.types import FunctionType as FunctionType
from tensorflow_federated.core.types import PlacementType as PlacementType
from tensorflow_federated.core.types import SequenceType as SequenceType
from tensorflow_federated.core.types import StructType as StructType
from tensorflow_federated.core.types import StructWithPythonType as StructWithPythonType
from tensorflow_federated.core.types import TensorType as TensorType
from tensorflow_federated.core.types import Type as Type
from tensorflow_federated.core.types import to_type as to_type

tensorflow_to_type = to_type
"""Turns TensorFlow's specs into types; `to_type` reads them too."""
