"""Federated learning and federated computations in Python: `import tensorflow_federated as tff`.

The successor of TensorFlow Federated: the same names, on a new engine. Importing it starts nothing
and loads no tensor framework.
"""

from __future__ import annotations

from tensorflow_federated import aggregators, jax, learning, simulation, templates, tensorflow
from tensorflow_federated.core import contexts as _contexts
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core import public_types as types
from tensorflow_federated.core import structure
from tensorflow_federated.core.computations import Computation, TypedObject
from tensorflow_federated.core.intrinsics import (
    federated_aggregate,
    federated_apply,
    federated_broadcast,
    federated_eval,
    federated_map,
    federated_mean,
    federated_sum,
    federated_value,
    federated_zip,
)
from tensorflow_federated.core.local_intrinsics import sequence_map, sequence_reduce, sequence_sum
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import Value, federated_computation, to_value
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    StructType,
    StructWithPythonType,
    TensorType,
    Type,
    to_type,
)
from tensorflow_federated.execution import contexts as _execution_contexts

__version__ = "1.0.0.dev0"

tensorflow_computation = tensorflow.computation
tf_computation = tensorflow.computation
jax_computation = jax.computation

__all__ = [
    "CLIENTS",
    "Computation",
    "FederatedType",
    "FunctionType",
    "SERVER",
    "SequenceType",
    "StructType",
    "StructWithPythonType",
    "TensorType",
    "Type",
    "TypedObject",
    "Value",
    "aggregators",
    "federated_aggregate",
    "federated_apply",
    "federated_broadcast",
    "federated_computation",
    "federated_eval",
    "federated_map",
    "federated_mean",
    "federated_sum",
    "federated_value",
    "federated_zip",
    "jax",
    "jax_computation",
    "learning",
    "sequence_map",
    "sequence_reduce",
    "sequence_sum",
    "simulation",
    "structure",
    "templates",
    "tensorflow",
    "tensorflow_computation",
    "tf_computation",
    "to_type",
    "to_value",
    "types",
]

_contexts.set_default_factory(_execution_contexts.create_local_context)

__getattr__, __dir__ = _namespaces.module_functions("tff", __all__)
