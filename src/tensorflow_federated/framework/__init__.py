"""`tff.framework`: programs, contexts and executors, for those who build on this package.

Examples:
  >>> import numpy as np
  >>> import tensorflow_federated as tff
  >>> x = tff.framework.Reference("x", np.int32)
  >>> program = tff.framework.Lambda("x", np.int32, tff.framework.Struct([x, ("again", x)]))
  >>> twice = tff.framework.ConcreteComputation.from_building_block(program)
  >>> print(twice.type_signature)
  (int32 -> <int32,again=int32>)
"""

from __future__ import annotations

from tensorflow_federated.backends.mergeable import (
    MergeableCompExecutionContext,
    MergeableCompForm,
)
from tensorflow_federated.core import intrinsic_defs as _intrinsic_defs
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.byte_format import Limits
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.contexts import (
    AsyncContext,
    ContextStack,
    SyncContext,
    get_context_stack,
    set_default_context,
)
from tensorflow_federated.core.errors import UnexpectedBlockError
from tensorflow_federated.core.ir import (
    Block,
    Call,
    Data,
    Intrinsic,
    Lambda,
    Literal,
    Placement,
    Reference,
    Selection,
    Struct,
)
from tensorflow_federated.core.ir import Local as CompiledComputation
from tensorflow_federated.core.ir import Node as ComputationBuildingBlock
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.execution.async_contexts import AsyncExecutionContext
from tensorflow_federated.execution.cardinalities import (
    CardinalitiesType,
    CardinalityCarrying,
    merge_cardinalities,
)
from tensorflow_federated.execution.errors import RetryableError
from tensorflow_federated.execution.executor_contexts import SyncExecutionContext
from tensorflow_federated.execution.executors import (
    ExecutorFactory,
    ResourceManagingExecutorFactory,
    local_cpp_executor_factory,
)
from tensorflow_federated.execution.ingestion import (
    CardinalityFreeDataDescriptor,
    DataDescriptor,
    Ingestable,
)
from tensorflow_federated.execution.ingestion import (
    create_data_descriptor as CreateDataDescriptor,
)
from tensorflow_federated.execution.serialization import (
    deserialize_computation,
    deserialize_value,
    serialize_computation,
    serialize_value,
)
from tensorflow_federated.framework.transformations import (
    to_call_dominant,
    transform_postorder,
    transform_preorder,
    unique_name_generator,
)

FEDERATED_AGGREGATE = _intrinsic_defs.get("federated_aggregate")
FEDERATED_APPLY = _intrinsic_defs.get("federated_apply")
FEDERATED_BROADCAST = _intrinsic_defs.get("federated_broadcast")
FEDERATED_EVAL_AT_CLIENTS = _intrinsic_defs.get("federated_eval_at_clients")
FEDERATED_EVAL_AT_SERVER = _intrinsic_defs.get("federated_eval_at_server")
FEDERATED_MAP = _intrinsic_defs.get("federated_map")
FEDERATED_MAP_ALL_EQUAL = _intrinsic_defs.get("federated_map_all_equal")
FEDERATED_SUM = _intrinsic_defs.get("federated_sum")
FEDERATED_VALUE_AT_CLIENTS = _intrinsic_defs.get("federated_value_at_clients")
FEDERATED_VALUE_AT_SERVER = _intrinsic_defs.get("federated_value_at_server")
FEDERATED_ZIP_AT_CLIENTS = _intrinsic_defs.get("federated_zip_at_clients")
FEDERATED_ZIP_AT_SERVER = _intrinsic_defs.get("federated_zip_at_server")

__all__ = [
    # Programs.
    "Block",
    "Call",
    "CompiledComputation",
    "ComputationBuildingBlock",
    "ConcreteComputation",
    "Data",
    "FEDERATED_AGGREGATE",
    "FEDERATED_APPLY",
    "FEDERATED_BROADCAST",
    "FEDERATED_EVAL_AT_CLIENTS",
    "FEDERATED_EVAL_AT_SERVER",
    "FEDERATED_MAP",
    "FEDERATED_MAP_ALL_EQUAL",
    "FEDERATED_SUM",
    "FEDERATED_VALUE_AT_CLIENTS",
    "FEDERATED_VALUE_AT_SERVER",
    "FEDERATED_ZIP_AT_CLIENTS",
    "FEDERATED_ZIP_AT_SERVER",
    "Intrinsic",
    "Lambda",
    "Literal",
    "Placement",
    "PlacementLiteral",
    "Reference",
    "Selection",
    "Struct",
    "UnexpectedBlockError",
    "to_call_dominant",
    "transform_postorder",
    "transform_preorder",
    "unique_name_generator",
    # Programs and values as bytes.
    "Limits",
    "deserialize_computation",
    "deserialize_value",
    "serialize_computation",
    "serialize_value",
    # Contexts.
    "AsyncContext",
    "AsyncExecutionContext",
    "ContextStack",
    "MergeableCompExecutionContext",
    "MergeableCompForm",
    "SyncContext",
    "SyncExecutionContext",
    "get_context_stack",
    "set_default_context",
    # Executors and what they are given.
    "CardinalitiesType",
    "CardinalityCarrying",
    "CardinalityFreeDataDescriptor",
    "CreateDataDescriptor",
    "DataDescriptor",
    "ExecutorFactory",
    "Ingestable",
    "ResourceManagingExecutorFactory",
    "RetryableError",
    "local_cpp_executor_factory",
    "merge_cardinalities",
]

_NO_REMOTE = (
    "take `tff.framework.local_cpp_executor_factory()`; to reach a machine of yours, write a "
    "`tff.framework.ExecutorFactory`, whose executors have `invoke(comp, arg)`."
)
_NO_EXECUTOR_STACK = (
    "executors are not stacked: take `tff.framework.local_cpp_executor_factory()`, or write a "
    "`tff.framework.ExecutorFactory` whose executors have `invoke(comp, arg)`."
)
_NO_DATA_BACKEND = (
    "values are not fetched by uri: give a computation that reads them, "
    "`tff.framework.DataDescriptor(read, uris, type, cardinality)`."
)

_REMOVED = {
    "RemoteExecutor": _NO_REMOTE,
    "RemoteExecutorGrpcStub": _NO_REMOTE,
    "RemoteExecutorStub": _NO_REMOTE,
    "ExecutorService": _NO_REMOTE,
    "remote_executor_factory": _NO_REMOTE,
    "remote_executor_factory_from_stubs": _NO_REMOTE,
    "get_session_token": _NO_REMOTE,
    "DataBackend": _NO_DATA_BACKEND,
    "DataExecutor": _NO_DATA_BACKEND,
    **dict.fromkeys(
        (
            "CachingExecutor",
            "ComposingExecutor",
            "ComposingExecutorFactory",
            "EagerTFExecutor",
            "Executor",
            "ExecutorValue",
            "FederatedComposingStrategy",
            "FederatedResolvingStrategy",
            "FederatingExecutor",
            "FederatingStrategy",
            "ReconstructOnChangeExecutorFactory",
            "ReferenceResolvingExecutor",
            "SizeInfo",
            "SizingExecutorFactory",
            "ThreadDelegatingExecutor",
            "TransformingExecutor",
            "UnplacedExecutorFactory",
            "local_executor_factory",
            "sizing_executor_factory",
            "thread_debugging_executor_factory",
        ),
        _NO_EXECUTOR_STACK,
    ),
    "Context": "write `tff.framework.SyncContext` or `tff.framework.AsyncContext`.",
    "ExecutionContext": "write `tff.framework.SyncExecutionContext`.",
    "building_block_to_computation": (
        "write `tff.framework.ConcreteComputation.from_building_block(building_block)`."
    ),
    "replace_intrinsics_with_bodies": "write `tff.tensorflow.replace_intrinsics_with_bodies`.",
    "serialize_type": "write `tff.types.serialize_type`.",
    "deserialize_type": "write `tff.types.deserialize_type`.",
    "type_contains": "write `tff.types.contains`.",
    "type_to_tf_tensor_specs": "write `tff.types.type_to_tf_tensor_specs`.",
    "type_from_tensors": "write `tff.types.to_type` of the specs of the tensors.",
    "is_tensorflow_compatible_type": "write `tff.types.is_tensorflow_compatible_type`.",
}

__getattr__, __dir__ = _namespaces.module_functions("tff.framework", __all__, removed=_REMOVED)
