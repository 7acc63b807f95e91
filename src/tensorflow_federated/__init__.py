"""Federated learning and federated computations in Python: `import tensorflow_federated as tff`.

The successor of TensorFlow Federated: the same names, on a new engine. Importing it starts nothing
and loads no tensor framework.
"""

from __future__ import annotations

from tensorflow_federated import (
    aggregators,
    backends,
    framework,
    jax,
    learning,
    simulation,
    templates,
    tensorflow,
    test,
)
from tensorflow_federated.compiler.explanation import explain
from tensorflow_federated.core import contexts as _contexts
from tensorflow_federated.core import installation as _installation
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core import public_types as types
from tensorflow_federated.core import structure
from tensorflow_federated.core.computations import Computation, TypedObject
from tensorflow_federated.core.intrinsics import (
    federated_aggregate,
    federated_apply,
    federated_broadcast,
    federated_collect,
    federated_eval,
    federated_map,
    federated_map_all_equal,
    federated_max,
    federated_mean,
    federated_min,
    federated_reduce,
    federated_secure_modular_sum,
    federated_secure_select,
    federated_secure_sum,
    federated_secure_sum_bitwidth,
    federated_select,
    federated_sum,
    federated_value,
    federated_zip,
)
from tensorflow_federated.core.local_intrinsics import sequence_map, sequence_reduce, sequence_sum
from tensorflow_federated.core.placed_types import type_at_clients, type_at_server
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
    "backends",
    "explain",
    "federated_aggregate",
    "federated_apply",
    "federated_broadcast",
    "federated_collect",
    "federated_computation",
    "federated_eval",
    "federated_map",
    "federated_map_all_equal",
    "federated_max",
    "federated_mean",
    "federated_min",
    "federated_reduce",
    "federated_secure_modular_sum",
    "federated_secure_select",
    "federated_secure_sum",
    "federated_secure_sum_bitwidth",
    "federated_select",
    "federated_sum",
    "federated_value",
    "federated_zip",
    "framework",
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
    "test",
    "tf_computation",
    "to_type",
    "to_value",
    "type_at_clients",
    "type_at_server",
    "types",
]

_installation.warn_if_shadowed()
_contexts.set_default_factory(_execution_contexts.create_local_context)

_REMOVED = {
    "NamedTupleType": "write `tff.StructType`.",
    "analytics": "write the analysis with `tff.federated_aggregate`.",
    "async_utils": "write `asyncio.run(...)`.",
    "check_returns_type": "compare `computation.type_signature.result` with the type.",
    "data": "write `tff.framework.DataDescriptor(read, uris, type, cardinality)`.",
    "experimental_tf_fn_computation": "write `tff.tensorflow.computation`.",
    "federated_average": "write `tff.federated_mean`.",
    "profiler": "profile with the tools of the framework that your computations are written in.",
    "program": "call computations in a loop of your own, and save what they return.",
    "structure_from_tensor_type_tree": "write `tff.types.structure_from_tensor_type_tree`.",
    "utils": "write `tff.templates` or `tff.structure`: what it held is there.",
}

__getattr__, __dir__ = _namespaces.module_functions("tff", __all__, removed=_REMOVED)
