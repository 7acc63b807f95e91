"""Federated learning and federated computations in Python: `import tensorflow_federated as tff`.

The successor of TensorFlow Federated: the same names, on a new engine. Importing it starts nothing
and loads no tensor framework.
"""

from __future__ import annotations

from typing import Any

from tensorflow_federated import aggregators as aggregators
from tensorflow_federated import jax as jax
from tensorflow_federated import learning as learning
from tensorflow_federated import simulation as simulation
from tensorflow_federated import templates as templates
from tensorflow_federated import tensorflow as tensorflow
from tensorflow_federated.core import contexts as _contexts
from tensorflow_federated.core import errors as _errors
from tensorflow_federated.core import public_types as _public_types
from tensorflow_federated.core import structure as structure
from tensorflow_federated.core.computations import Computation as Computation
from tensorflow_federated.core.computations import TypedObject as TypedObject
from tensorflow_federated.core.intrinsics import federated_aggregate as federated_aggregate
from tensorflow_federated.core.intrinsics import federated_apply as federated_apply
from tensorflow_federated.core.intrinsics import federated_broadcast as federated_broadcast
from tensorflow_federated.core.intrinsics import federated_eval as federated_eval
from tensorflow_federated.core.intrinsics import federated_map as federated_map
from tensorflow_federated.core.intrinsics import federated_mean as federated_mean
from tensorflow_federated.core.intrinsics import federated_sum as federated_sum
from tensorflow_federated.core.intrinsics import federated_value as federated_value
from tensorflow_federated.core.intrinsics import federated_zip as federated_zip
from tensorflow_federated.core.intrinsics import sequence_map as sequence_map
from tensorflow_federated.core.intrinsics import sequence_reduce as sequence_reduce
from tensorflow_federated.core.intrinsics import sequence_sum as sequence_sum
from tensorflow_federated.core.placements import CLIENTS as CLIENTS
from tensorflow_federated.core.placements import SERVER as SERVER
from tensorflow_federated.core.tracing import Value as Value
from tensorflow_federated.core.tracing import federated_computation as federated_computation
from tensorflow_federated.core.tracing import to_value as to_value
from tensorflow_federated.core.types import FederatedType as FederatedType
from tensorflow_federated.core.types import FunctionType as FunctionType
from tensorflow_federated.core.types import SequenceType as SequenceType
from tensorflow_federated.core.types import StructType as StructType
from tensorflow_federated.core.types import StructWithPythonType as StructWithPythonType
from tensorflow_federated.core.types import TensorType as TensorType
from tensorflow_federated.core.types import Type as Type
from tensorflow_federated.core.types import to_type as to_type
from tensorflow_federated.execution import contexts as _execution_contexts

__version__ = "1.0.0.dev0"

types = _public_types
tensorflow_computation = tensorflow.computation
tf_computation = tensorflow.computation
jax_computation = jax.computation

_contexts.set_default_factory(_execution_contexts.create_local_context)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _errors.unknown_name("tff", name, [each for each in globals() if each[0] != "_"])
