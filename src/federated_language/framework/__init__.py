"""Programs, contexts and executors: `tff.framework` and its neighbours, the same objects.

Examples:
  >>> import federated_language
  >>> import tensorflow_federated as tff
  >>> federated_language.framework.Lambda is tff.framework.Lambda
  True
"""

from __future__ import annotations

from tensorflow_federated import Computation
from tensorflow_federated.core import intrinsic_defs as _intrinsic_defs
from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.core.computations import PolymorphicComputation
from tensorflow_federated.core.contexts import RuntimeErrorContext
from tensorflow_federated.core.errors import ContextError
from tensorflow_federated.core.intrinsic_defs import IntrinsicDef
from tensorflow_federated.core.placements import uri_to_placement_literal
from tensorflow_federated.core.public_types import (
    TypeNotAssignableError,
    TypesNotEquivalentError,
    UnexpectedTypeError,
    is_structure_of_floats,
    is_structure_of_integers,
    is_structure_of_tensors,
    type_to_py_container,
)
from tensorflow_federated.core.public_types import contains as type_contains
from tensorflow_federated.core.public_types import contains_only as type_contains_only
from tensorflow_federated.core.public_types import count as type_count
from tensorflow_federated.core.type_inference import infer_type
from tensorflow_federated.execution.cardinalities import infer_cardinalities
from tensorflow_federated.execution.executors import Executor
from tensorflow_federated.framework import (
    FEDERATED_AGGREGATE,
    FEDERATED_APPLY,
    FEDERATED_BROADCAST,
    FEDERATED_EVAL_AT_CLIENTS,
    FEDERATED_EVAL_AT_SERVER,
    FEDERATED_MAP,
    FEDERATED_MAP_ALL_EQUAL,
    FEDERATED_SUM,
    FEDERATED_VALUE_AT_CLIENTS,
    FEDERATED_VALUE_AT_SERVER,
    FEDERATED_ZIP_AT_CLIENTS,
    FEDERATED_ZIP_AT_SERVER,
    AsyncContext,
    AsyncExecutionContext,
    Block,
    Call,
    CardinalitiesType,
    CompiledComputation,
    ComputationBuildingBlock,
    ConcreteComputation,
    ContextStack,
    Data,
    ExecutorFactory,
    Intrinsic,
    Lambda,
    Literal,
    Placement,
    PlacementLiteral,
    Reference,
    RetryableError,
    Selection,
    Struct,
    SyncContext,
    SyncExecutionContext,
    UnexpectedBlockError,
    get_context_stack,
    set_default_context,
    transform_postorder,
    transform_preorder,
    unique_name_generator,
)
from tensorflow_federated.test import set_no_default_context, with_context

FEDERATED_MAX = _intrinsic_defs.get("federated_max")
FEDERATED_MEAN = _intrinsic_defs.get("federated_mean")
FEDERATED_MIN = _intrinsic_defs.get("federated_min")
FEDERATED_SECURE_SELECT = _intrinsic_defs.get("federated_secure_select")
FEDERATED_SECURE_SUM = _intrinsic_defs.get("federated_secure_sum")
FEDERATED_SECURE_SUM_BITWIDTH = _intrinsic_defs.get("federated_secure_sum_bitwidth")
FEDERATED_SELECT = _intrinsic_defs.get("federated_select")
FEDERATED_WEIGHTED_MEAN = _intrinsic_defs.get("federated_weighted_mean")
SEQUENCE_MAP = _intrinsic_defs.get("sequence_map")

__all__ = [
    # Programs.
    "Block",
    "Call",
    "CompiledComputation",
    "Computation",
    "ComputationBuildingBlock",
    "ConcreteComputation",
    "Data",
    "Intrinsic",
    "Lambda",
    "Literal",
    "Placement",
    "PlacementLiteral",
    "PolymorphicComputation",
    "Reference",
    "Selection",
    "Struct",
    "UnexpectedBlockError",
    "transform_postorder",
    "transform_preorder",
    "unique_name_generator",
    "uri_to_placement_literal",
    # Intrinsics.
    "FEDERATED_AGGREGATE",
    "FEDERATED_APPLY",
    "FEDERATED_BROADCAST",
    "FEDERATED_EVAL_AT_CLIENTS",
    "FEDERATED_EVAL_AT_SERVER",
    "FEDERATED_MAP",
    "FEDERATED_MAP_ALL_EQUAL",
    "FEDERATED_MAX",
    "FEDERATED_MEAN",
    "FEDERATED_MIN",
    "FEDERATED_SECURE_SELECT",
    "FEDERATED_SECURE_SUM",
    "FEDERATED_SECURE_SUM_BITWIDTH",
    "FEDERATED_SELECT",
    "FEDERATED_SUM",
    "FEDERATED_VALUE_AT_CLIENTS",
    "FEDERATED_VALUE_AT_SERVER",
    "FEDERATED_WEIGHTED_MEAN",
    "FEDERATED_ZIP_AT_CLIENTS",
    "FEDERATED_ZIP_AT_SERVER",
    "IntrinsicDef",
    "SEQUENCE_MAP",
    # Contexts and executors.
    "AsyncContext",
    "AsyncExecutionContext",
    "CardinalitiesType",
    "ContextError",
    "ContextStack",
    "Executor",
    "ExecutorFactory",
    "RetryableError",
    "RuntimeErrorContext",
    "SyncContext",
    "SyncExecutionContext",
    "get_context_stack",
    "infer_cardinalities",
    "set_default_context",
    "set_no_default_context",
    "with_context",
    # Types.
    "TypeNotAssignableError",
    "TypesNotEquivalentError",
    "UnexpectedTypeError",
    "infer_type",
    "is_structure_of_floats",
    "is_structure_of_integers",
    "is_structure_of_tensors",
    "type_contains",
    "type_contains_only",
    "type_count",
    "type_to_py_container",
]

_BY_HAND = "build the node: `federated_language.framework.Call(Intrinsic(uri, type), argument)`."
_BY_EXPLAINING = "`tensorflow_federated.explain(computation)` shows what a program does."
_BY_TESTING = (
    "write `tensorflow_federated.test.assert_contains_secure_aggregation(computation)` or one of "
    "its neighbours."
)
_BY_WALKING = "walk over the program: `transform_postorder(node, look)`, or `node.children()`."
_BY_PREDICATE = "ask with a predicate: `type_contains(type, lambda part: ...)`."
_BY_DECORATOR = "write `federated_language.federated_computation`, which does it by itself."
_BY_PROFILER = "profile with the tools of the framework that your computations are written in."

_REMOVED = {
    **dict.fromkeys(
        (
            "create_federated_aggregate",
            "create_federated_apply",
            "create_federated_broadcast",
            "create_federated_map",
            "create_federated_map_all_equal",
            "create_federated_map_or_apply",
            "create_federated_mean",
            "create_federated_secure_sum",
            "create_federated_secure_sum_bitwidth",
            "create_federated_select",
            "create_federated_sum",
            "create_federated_unzip",
            "create_federated_value",
            "create_federated_zip",
            "create_identity",
            "create_named_tuple",
            "create_sequence_map",
            "select_output_from_lambda",
        ),
        _BY_HAND,
    ),
    **dict.fromkeys(
        (
            "check_aggregate_not_dependent_on_aggregate",
            "check_broadcast_not_dependent_on_aggregate",
            "check_contains_no_new_unbound_references",
            "check_contains_no_unbound_references",
            "check_contains_only_reducible_intrinsics",
            "check_has_single_placement",
            "check_has_unique_names",
            "computation_count",
            "contains_called_intrinsic",
            "contains_no_unbound_references",
            "find_aggregations_in_tree",
            "is_called_aggregation",
            "is_identity_function",
            "visit_postorder",
            "visit_preorder",
        ),
        _BY_EXPLAINING,
    ),
    **dict.fromkeys(
        (
            "BoundVariableTracker",
            "Path",
            "SymbolTree",
            "TransformReturnType",
            "get_map_of_unbound_references",
            "transform_postorder_with_symbol_bindings",
        ),
        _BY_WALKING,
    ),
    **dict.fromkeys(
        (
            "check_concrete_instance_of",
            "check_is_structure_of_integers",
            "contains_federated_types",
            "contains_tensor_types",
            "is_generic_op_compatible_type",
            "is_single_integer_or_matches_structure",
            "preorder_types",
            "transform_type_postorder",
        ),
        _BY_PREDICATE,
    ),
    **dict.fromkeys(
        (
            "ComputationReturnedNoneError",
            "ComputationWrapper",
            "FederatedComputationContext",
            "SymbolBindingContext",
            "ensure_federated_value",
            "pack_args_into_struct",
            "unpack_arg",
            "unpack_args_from_struct",
            "wrap_as_zero_or_one_arg_callable",
        ),
        _BY_DECORATOR,
    ),
    **dict.fromkeys(
        ("AggregationKind", "get_aggregation_intrinsics", "get_broadcast_intrinsics"),
        "ask an intrinsic: `intrinsic.intrinsic_def().kind`.",
    ),
    **dict.fromkeys(
        ("GENERIC_DIVIDE", "GENERIC_MULTIPLY", "GENERIC_PLUS"),
        "do arithmetic in a local computation.",
    ),
    "ExecutorValue": "executors take and give Python values.",
    "NonuniqueNameError": "names need not be unique.",
    "structure_with_type": "write `type_to_py_container(value, type)`.",
    "to_structure_with_type": "write `type_to_py_container(value, type)`.",
    **dict.fromkeys(
        (
            "computation_contains",
            "computation_contains_secure_aggregation",
            "computation_contains_unsecure_aggregation",
        ),
        _BY_TESTING,
    ),
    **dict.fromkeys(
        (
            "TraceResult",
            "TracingProvider",
            "propagate_trace_context_task_factory",
            "set_tracing_providers",
            "span",
            "trace",
            "wrap_coroutine_in_current_trace_context",
            "wrap_rpc_in_trace_context",
        ),
        _BY_PROFILER,
    ),
}

__getattr__, __dir__ = _namespaces.module_functions(
    "federated_language.framework", __all__, removed=_REMOVED
)
