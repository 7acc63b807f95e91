"""Federated learning and federated computations in Python: `import tensorflow_federated as tff`.

The successor of TensorFlow Federated: the same names, on a new engine. Importing it starts nothing
and loads no tensor framework.
"""

from __future__ import annotations

import functools as _functools
import importlib as _importlib
from typing import TYPE_CHECKING, Any

from tensorflow_federated import jax, tensorflow
from tensorflow_federated.core import containers as _containers
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

if TYPE_CHECKING:
    from tensorflow_federated import (
        aggregators,
        backends,
        framework,
        learning,
        program,
        simulation,
        templates,
        test,
    )
    from tensorflow_federated.execution.explanation import explain
    from tensorflow_federated.execution.profiles import profile
    from tensorflow_federated.execution.progress import show_progress

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
    "profile",
    "program",
    "sequence_map",
    "sequence_reduce",
    "sequence_sum",
    "show_progress",
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

# What is imported at first use, so that a program loads what it needs.
_load = _namespaces.loader(
    __name__,
    {
        "aggregators": "tensorflow_federated.aggregators",
        "backends": "tensorflow_federated.backends",
        "explain": "tensorflow_federated.execution.explanation",
        "framework": "tensorflow_federated.framework",
        "learning": "tensorflow_federated.learning",
        "profile": "tensorflow_federated.execution.profiles",
        "program": "tensorflow_federated.program",
        "show_progress": "tensorflow_federated.execution.progress",
        "simulation": "tensorflow_federated.simulation",
        "templates": "tensorflow_federated.templates",
        "test": "tensorflow_federated.test",
    },
)


def _create_default_context() -> _contexts.Context:
    from tensorflow_federated.execution import contexts

    return contexts.create_local_context()


# The containers that bytes may name, of modules that may not be loaded yet.
_CONTAINERS = {
    "learning.BatchOutput": "tensorflow_federated.learning.models",
    "learning.ClientResult": "tensorflow_federated.learning.templates",
    "learning.LearningAlgorithmState": "tensorflow_federated.learning.templates",
    "learning.LearningProcessOutput": "tensorflow_federated.learning.templates",
    "learning.ModelWeights": "tensorflow_federated.learning.models",
    "templates.MeasuredProcessOutput": "tensorflow_federated.templates",
}


def _load_container(module: str, name: str) -> Any:
    return getattr(_importlib.import_module(module), name)


for _name, _module in _CONTAINERS.items():
    _containers.register_container_loader(
        _name, _functools.partial(_load_container, _module, _name.rpartition(".")[2])
    )
_installation.warn_if_shadowed()
_contexts.set_default_factory(_create_default_context)

_REMOVED = {
    "NamedTupleType": "write `tff.StructType`.",
    "analytics": "write the analysis with `tff.federated_aggregate`.",
    "async_utils": "write `asyncio.run(...)`.",
    "check_returns_type": "compare `computation.type_signature.result` with the type.",
    "data": "write `tff.framework.DataDescriptor(read, uris, type, cardinality)`.",
    "experimental_tf_fn_computation": "write `tff.tensorflow.computation`.",
    "federated_average": "write `tff.federated_mean`.",
    "profiler": "write `with tff.profile(): ...`, which prints where the time went.",
    "structure_from_tensor_type_tree": "write `tff.types.structure_from_tensor_type_tree`.",
}

_OLDER = {
    "utils": _namespaces.Older("tensorflow_federated.learning.older_api.utils", None),
}

__getattr__, __dir__ = _namespaces.module_functions(
    "tff", __all__, load=_load, removed=_REMOVED, older=_OLDER
)
