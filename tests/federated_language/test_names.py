"""The second import name gives the same objects, and says so where it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import federated_language
import tensorflow_federated as tff
from tensorflow_federated.core import errors

RunPython = Callable[..., str]

# The public names of the package `federated_language` 0.5.3 on PyPI, and of its `framework`.
NAMES = """
Array ArrayShape AbstractType CLIENTS Computation FederatedType FunctionType PlacementType SERVER
SequenceType Serializable StructType StructWithPythonType TensorType Type TypedObject Value
array_from_proto array_from_proto_content array_is_compatible_dtype array_is_compatible_shape
array_shape_from_proto array_shape_is_compatible_with array_shape_is_fully_defined
array_shape_is_scalar array_shape_to_proto array_to_proto array_to_proto_content can_cast_dtype
dtype_from_proto dtype_to_proto federated_aggregate federated_broadcast federated_computation
federated_eval federated_map federated_max federated_mean federated_min federated_secure_select
federated_secure_sum federated_secure_sum_bitwidth federated_select federated_sum federated_value
federated_zip framework infer_dtype is_valid_dtype num_elements_in_array_shape program sequence_map
sequence_reduce sequence_sum to_type to_value
"""
FRAMEWORK_NAMES = """
AggregationKind AsyncContext AsyncExecutionContext Block BoundVariableTracker Call CardinalitiesType
CompiledComputation Computation ComputationBuildingBlock ComputationReturnedNoneError
ComputationWrapper ConcreteComputation ContextError ContextStack Data Executor ExecutorFactory
ExecutorValue FEDERATED_AGGREGATE FEDERATED_APPLY FEDERATED_BROADCAST FEDERATED_EVAL_AT_CLIENTS
FEDERATED_EVAL_AT_SERVER FEDERATED_MAP FEDERATED_MAP_ALL_EQUAL FEDERATED_MAX FEDERATED_MEAN
FEDERATED_MIN FEDERATED_SECURE_SELECT FEDERATED_SECURE_SUM FEDERATED_SECURE_SUM_BITWIDTH
FEDERATED_SELECT FEDERATED_SUM FEDERATED_VALUE_AT_CLIENTS FEDERATED_VALUE_AT_SERVER
FEDERATED_WEIGHTED_MEAN FEDERATED_ZIP_AT_CLIENTS FEDERATED_ZIP_AT_SERVER FederatedComputationContext
GENERIC_DIVIDE GENERIC_MULTIPLY GENERIC_PLUS Intrinsic IntrinsicDef Lambda Literal
NonuniqueNameError Path Placement PlacementLiteral PolymorphicComputation Reference RetryableError
RuntimeErrorContext SEQUENCE_MAP Selection Struct SymbolBindingContext SymbolTree SyncContext
SyncExecutionContext TraceResult TracingProvider TransformReturnType TypeNotAssignableError
TypesNotEquivalentError UnexpectedBlockError UnexpectedTypeError
check_aggregate_not_dependent_on_aggregate check_broadcast_not_dependent_on_aggregate
check_concrete_instance_of check_contains_no_new_unbound_references
check_contains_no_unbound_references check_contains_only_reducible_intrinsics
check_has_single_placement check_has_unique_names check_is_structure_of_integers
computation_contains computation_contains_secure_aggregation
computation_contains_unsecure_aggregation computation_count contains_called_intrinsic
contains_federated_types contains_no_unbound_references contains_tensor_types
create_federated_aggregate create_federated_apply create_federated_broadcast create_federated_map
create_federated_map_all_equal create_federated_map_or_apply create_federated_mean
create_federated_secure_sum create_federated_secure_sum_bitwidth create_federated_select
create_federated_sum create_federated_unzip create_federated_value create_federated_zip
create_identity create_named_tuple create_sequence_map ensure_federated_value
find_aggregations_in_tree get_aggregation_intrinsics get_broadcast_intrinsics get_context_stack
get_map_of_unbound_references infer_cardinalities infer_type is_called_aggregation
is_generic_op_compatible_type is_identity_function is_single_integer_or_matches_structure
is_structure_of_floats is_structure_of_integers is_structure_of_tensors pack_args_into_struct
preorder_types propagate_trace_context_task_factory select_output_from_lambda set_default_context
set_no_default_context set_tracing_providers span structure_with_type to_structure_with_type trace
transform_postorder transform_postorder_with_symbol_bindings transform_preorder
transform_type_postorder type_contains type_contains_only type_count type_to_py_container
unique_name_generator unpack_arg unpack_args_from_struct uri_to_placement_literal visit_postorder
visit_preorder with_context wrap_as_zero_or_one_arg_callable wrap_coroutine_in_current_trace_context
wrap_rpc_in_trace_context
"""

SAME_UNDER_ANOTHER_NAME = {
    "array_shape_is_fully_defined": tff.types.is_shape_fully_defined,
    "num_elements_in_array_shape": tff.types.num_elements_in_shape,
    "type_contains": tff.types.contains,
    "type_contains_only": tff.types.contains_only,
    "type_count": tff.types.count,
}


def in_tff(name):
    """The object of a name in this package, wherever it is."""
    if name in SAME_UNDER_ANOTHER_NAME:
        return SAME_UNDER_ANOTHER_NAME[name]
    for namespace in (tff, tff.framework, tff.types, tff.test):
        if name in dir(namespace):
            return getattr(namespace, name)
    return None


@pytest.mark.parametrize("name", sorted(set(NAMES.split()) - {"framework"}))
def test_a_name_is_the_same_object_or_says_what_to_write(name):
    check_name(federated_language, name)


@pytest.mark.parametrize("name", FRAMEWORK_NAMES.split())
def test_a_name_of_the_framework_is_the_same_object_or_says_what_to_write(name):
    check_name(federated_language.framework, name)


def check_name(namespace, name):
    if name in dir(namespace):
        value = getattr(namespace, name)
        expected = in_tff(name)
        assert value is expected or expected is None
    else:
        with pytest.raises(errors.RemovedNameError) as raised:
            getattr(namespace, name)
        assert raised.value.fix


def test_a_program_runs_under_the_second_name(engine):
    at_clients = federated_language.FederatedType(np.float32, federated_language.CLIENTS)

    @federated_language.federated_computation(at_clients)
    def mean(values):
        return federated_language.federated_mean(values)

    assert isinstance(mean, tff.Computation)
    assert mean([1.0, 2.0]) == 1.5


WITH_DISTRIBUTION = """
import pathlib
import sys
import warnings

folder = pathlib.Path("site").absolute()
info = folder / "federated_language-0.5.3.dist-info"
info.mkdir(parents=True)
metadata = ("Metadata-Version: 2.1", "Name: federated-language", "Version: 0.5.3", "")
(info / "METADATA").write_text("\\n".join(metadata))
sys.path.insert({position}, str(folder))
warnings.simplefilter("always")
"""


def test_the_distribution_of_that_name_is_spoken_of_once(run_python: RunPython):
    printed = run_python(
        WITH_DISTRIBUTION.format(position=0)
        + """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import tensorflow_federated
    assert not caught
    import federated_language
    import federated_language.framework
print(len(caught), caught[0].category.__name__, caught[0].message)
print(federated_language.to_type is tensorflow_federated.to_type)
"""
    )
    assert printed.startswith("1 RuntimeWarning the distribution `federated-language` is installed")
    assert "pip uninstall federated-language" in printed
    assert "pip install --force-reinstall --no-deps tff-ng" in printed
    assert printed.endswith("\nTrue\n")


@pytest.mark.parametrize("is_in_front", [True, False])
def test_a_package_that_is_found_first_is_spoken_of(run_python: RunPython, is_in_front: bool):
    printed = run_python(
        WITH_DISTRIBUTION.format(position=0 if is_in_front else len("append it") * 1000)
        + """
package = folder / "federated_language"
package.mkdir()
(package / "__init__.py").write_text("")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import tensorflow_federated
print([str(each.message)[:40] for each in caught])
"""
    )
    expected = ["the distribution `federated-language` is"] if is_in_front else []
    assert printed == f"{expected}\n"


def test_without_the_distribution_nothing_is_said(run_python: RunPython):
    printed = run_python(
        """
        import warnings
        warnings.simplefilter("error")
        import federated_language
        print("quiet")
        """
    )
    assert printed == "quiet\n"
