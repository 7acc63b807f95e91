"""`tff.types` and `tff.structure`: their names, and what the answers are that real TFF gives."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors

FLOATS = tff.StructType([("a", np.float32)])
STRUCT = tff.structure.Struct


@pytest.mark.parametrize(
    ("type_spec", "are_floats", "are_integers", "are_tensors"),
    [
        (FLOATS, True, False, True),
        (tff.to_type(np.int32), False, True, True),
        (tff.to_type(np.bool_), False, False, True),
        (tff.to_type(np.complex64), False, False, True),
        (tff.StructType([]), True, True, True),
        (tff.FederatedType(FLOATS, tff.CLIENTS), True, False, False),
        (tff.FederatedType(np.int32, tff.SERVER), False, True, False),
        (tff.StructType([tff.FederatedType(np.float32, tff.SERVER)]), True, False, False),
        (tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS), False, False, False),
        (tff.FunctionType(None, np.int32), False, False, False),
    ],
    ids=str,
)
def test_structures_of_tensors_are_told_as_in_tff(type_spec, are_floats, are_integers, are_tensors):
    assert tff.types.is_structure_of_floats(type_spec) is are_floats
    assert tff.types.is_structure_of_integers(type_spec) is are_integers
    assert tff.types.is_structure_of_tensors(type_spec) is are_tensors


@pytest.mark.parametrize(
    ("type_spec", "expected"),
    [
        (None, True),
        (tff.SequenceType(np.int32), True),
        (FLOATS, True),
        (tff.types.PlacementType(), False),
        (tff.FederatedType(np.int32, tff.SERVER), False),
        (tff.StructType([tff.FunctionType(None, np.int32)]), False),
    ],
    ids=str,
)
def test_types_that_tensorflow_has_values_of(type_spec, expected):
    assert tff.types.is_tensorflow_compatible_type(type_spec) is expected


def test_a_mismatch_is_told_as_in_tff():
    relation = tff.types.TypeRelation.EQUIVALENT
    message = tff.types.type_mismatch_error_message(
        tff.to_type(np.int32), tff.to_type(np.float32), relation, second_is_expected=True
    )
    assert message == "Type `int32` is not equivalent to expected type `float32`"


def test_tensor_types_are_mapped_in_the_containers_of_a_type():
    spec = [("a", np.int32), ("b", [(np.float32, [2])])]
    mapped = tff.types.structure_from_tensor_type_tree(str, spec)
    assert mapped == collections.OrderedDict(a="int32", b=["float32[2]"])


@pytest.mark.parametrize(
    "type_spec", [tff.SequenceType(np.int32), tff.StructType([("a", np.int32), np.int32])], ids=str
)
def test_a_type_without_the_form_of_a_container_is_refused(type_spec):
    with pytest.raises(errors.StructureError):
        tff.types.structure_from_tensor_type_tree(str, type_spec)


@pytest.mark.parametrize(
    ("value", "type_spec", "expected"),
    [
        (STRUCT.named(a=1, b=2), [("a", np.int32), ("b", np.int32)], {"a": 1, "b": 2}),
        (STRUCT.unnamed(1, 2), tff.StructType([np.int32, np.int32]), (1, 2)),
        (STRUCT.named(a=STRUCT.unnamed(1)), {"a": [np.int32]}, {"a": [1]}),
        ((1, 2), [np.int32, np.int32], (1, 2)),
        (5, np.int32, 5),
        ([STRUCT.named(a=1)], tff.SequenceType([("a", np.int32)]), [{"a": 1}]),
        ([STRUCT.named(a=1)], tff.FederatedType([("a", np.int32)], tff.CLIENTS), [{"a": 1}]),
        (STRUCT.named(a=1), tff.FederatedType([("a", np.int32)], tff.SERVER), {"a": 1}),
    ],
    ids=str,
)
def test_structs_become_the_containers_of_their_type(value, type_spec, expected):
    converted = tff.types.type_to_py_container(value, tff.to_type(type_spec))
    assert converted == expected
    assert isinstance(converted, type(expected))


@pytest.mark.parametrize(
    ("value", "type_spec"),
    [
        (STRUCT([("a", 1), (None, 2)]), tff.StructType([("a", np.int32), np.int32])),
        (STRUCT.named(b=1), tff.StructType([("a", np.int32)])),
        (STRUCT.named(a=1), tff.StructWithPythonType([("a", np.int32)], list)),
        (STRUCT.unnamed(1), tff.StructWithPythonType([np.int32], dict)),
    ],
    ids=str,
)
def test_structs_that_do_not_fit_their_container_are_refused(value, type_spec):
    with pytest.raises(errors.StructureError):
        tff.types.type_to_py_container(value, type_spec)
