"""The operators of the language: the type of each result, and the message of each mistake."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tensorflow_federated.core import errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation, to_value
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    SequenceType,
    TensorType,
)

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)
NUMBERS = SequenceType(np.int32)


def function(name: str, parameter, result) -> ir.Reference:
    """A function that is only a name: enough for types."""
    return ir.Reference(name, FunctionType(parameter, result))


HALF = function("half", np.float32, np.float32)
ADD = function("add", [np.int32, np.int32], np.int32)
KEYS = FederatedType((np.int32, [2]), CLIENTS)
TABLE = FederatedType((np.float32, [4]), SERVER)
PICK = function("pick", [(np.float32, [4]), np.int32], np.float32)

RESULTS = [
    (lambda x: intrinsics.federated_sum(x), INT_CLIENTS, "int32@SERVER"),
    (lambda x: intrinsics.federated_mean(x), FLOAT_CLIENTS, "float32@SERVER"),
    (
        lambda x, w: intrinsics.federated_mean(x, w),
        [FLOAT_CLIENTS, INT_CLIENTS],
        "float32@SERVER",
    ),
    (lambda x: intrinsics.federated_broadcast(x), INT_SERVER, "int32@CLIENTS"),
    (lambda x: intrinsics.federated_map(HALF, x), FLOAT_CLIENTS, "{float32}@CLIENTS"),
    (
        lambda x: intrinsics.federated_map(HALF, x),
        FederatedType(np.float32, SERVER),
        "float32@SERVER",
    ),
    (
        lambda x: intrinsics.federated_apply(HALF, x),
        FederatedType(np.float32, SERVER),
        "float32@SERVER",
    ),
    (
        lambda x: intrinsics.federated_map(lambda y: (y, y), x),
        INT_CLIENTS,
        "{<int32,int32>}@CLIENTS",
    ),
    (
        lambda x, y: intrinsics.federated_map(ADD, (x, y)),
        [INT_CLIENTS, INT_CLIENTS],
        "{int32}@CLIENTS",
    ),
    (
        lambda x, y: intrinsics.federated_zip(collections.OrderedDict(a=x, b=[y])),
        [INT_SERVER, INT_SERVER],
        "<a=int32,b=<int32>>@SERVER",
    ),
    (
        lambda x, y: intrinsics.federated_zip((x, intrinsics.federated_broadcast(y))),
        [INT_CLIENTS, INT_SERVER],
        "{<int32,int32>}@CLIENTS",
    ),
    (
        lambda x: intrinsics.federated_aggregate(
            x, 0, ADD, ADD, function("report", np.int32, np.float32)
        ),
        INT_CLIENTS,
        "float32@SERVER",
    ),
    (
        lambda x: intrinsics.federated_map_all_equal(HALF, x),
        FederatedType(np.float32, CLIENTS, all_equal=True),
        "float32@CLIENTS",
    ),
    (lambda x: intrinsics.federated_max(x), FLOAT_CLIENTS, "float32@SERVER"),
    (lambda x: intrinsics.federated_min(x), INT_CLIENTS, "int32@SERVER"),
    (lambda x: intrinsics.federated_collect(x), INT_CLIENTS, "int32*@SERVER"),
    (lambda x: intrinsics.federated_reduce(x, 0, ADD), INT_CLIENTS, "int32@SERVER"),
    (lambda x: intrinsics.federated_secure_sum(x, 9), INT_CLIENTS, "int32@SERVER"),
    (lambda x: intrinsics.federated_secure_sum_bitwidth(x, 9), INT_CLIENTS, "int32@SERVER"),
    (lambda x: intrinsics.federated_secure_modular_sum(x, 9), INT_CLIENTS, "int32@SERVER"),
    (
        lambda x: intrinsics.federated_secure_sum(x, collections.OrderedDict(a=1, b=[2])),
        FederatedType([("a", np.int64), ("b", [(np.int8, [3])])], CLIENTS),
        "<a=int64,b=<int8[3]>>@SERVER",
    ),
    (
        lambda k, m, v: intrinsics.federated_select(k, m, v, PICK),
        [KEYS, INT_SERVER, TABLE],
        "{float32*}@CLIENTS",
    ),
    (
        lambda k, m, v: intrinsics.federated_secure_select(k, m, v, PICK),
        [KEYS, INT_SERVER, TABLE],
        "{float32*}@CLIENTS",
    ),
    (
        lambda k, m, v: intrinsics.federated_select(k, m, [v, m], lambda value, key: (key, value)),
        [KEYS, INT_SERVER, TABLE],
        "{<int32,<float32[4],int32>>*}@CLIENTS",
    ),
    (lambda x: intrinsics.federated_mean(x, 2), FLOAT_CLIENTS, "float32@SERVER"),
    (lambda x: intrinsics.federated_mean(x, np.float64(2)), FLOAT_CLIENTS, "float32@SERVER"),
    (
        lambda x, w: intrinsics.federated_mean(x, w),
        [FLOAT_CLIENTS, np.float32],
        "float32@SERVER",
    ),
    (
        lambda x, w: intrinsics.federated_mean(x, w),
        [FLOAT_CLIENTS, FederatedType(np.float32, CLIENTS, all_equal=True)],
        "float32@SERVER",
    ),
    (lambda s: local_intrinsics.sequence_sum(s), NUMBERS, "int32"),
    (lambda s: local_intrinsics.sequence_reduce(s, 0, ADD), NUMBERS, "int32"),
    (lambda s: local_intrinsics.sequence_map(lambda x: (x, x), s), NUMBERS, "<int32,int32>*"),
    (
        lambda s: local_intrinsics.sequence_sum(s),
        FederatedType(NUMBERS, CLIENTS),
        "{int32}@CLIENTS",
    ),
    (
        lambda s, z: local_intrinsics.sequence_reduce(s, z, ADD),
        [FederatedType(NUMBERS, CLIENTS), INT_CLIENTS],
        "{int32}@CLIENTS",
    ),
]


@pytest.mark.parametrize(("fn", "parameter", "expected"), RESULTS)
def test_type_of_result(fn, parameter, expected):
    assert str(federated_computation(fn, parameter).type_signature.result) == expected


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda: intrinsics.federated_value(1, SERVER), "int32@SERVER"),
        (lambda: intrinsics.federated_value([1.0, "x"], CLIENTS), "<float32,str>@CLIENTS"),
        (
            lambda: intrinsics.federated_eval(function("f", None, np.int32), CLIENTS),
            "{int32}@CLIENTS",
        ),
        (
            lambda: intrinsics.federated_eval(function("f", None, np.int32), SERVER),
            "int32@SERVER",
        ),
        (lambda: intrinsics.federated_eval(lambda: 3, SERVER), "int32@SERVER"),
    ],
)
def test_type_of_placed_value(fn, expected):
    assert str(federated_computation(fn).type_signature.result) == expected


def test_aggregate_accepts_a_computation_without_parameters_as_zero():
    zero = federated_computation(lambda: 0)
    computation = federated_computation(
        lambda x: intrinsics.federated_aggregate(
            x, zero, ADD, ADD, function("r", np.int32, np.int32)
        ),
        INT_CLIENTS,
    )
    assert str(computation.type_signature.result) == "int32@SERVER"


def test_element_of_federated_structure_is_selected_where_it_is():
    computation = federated_computation(
        lambda x: x.b, FederatedType([("a", np.int32), ("b", np.float32)], CLIENTS)
    )
    assert str(computation.type_signature) == (
        "({<a=int32,b=float32>}@CLIENTS -> {float32}@CLIENTS)"
    )


def _set_element(x):
    x.weight = 3
    return x


MISTAKES = {
    "sum of a server value": (
        lambda x: intrinsics.federated_sum(x),
        INT_SERVER,
        errors.PlacementError,
    ),
    "sum of strings": (
        lambda x: intrinsics.federated_sum(x),
        FederatedType(np.str_, CLIENTS),
        errors.SumIncompatibleError,
    ),
    "mean of integers": (
        lambda x: intrinsics.federated_mean(x),
        INT_CLIENTS,
        errors.MeanIncompatibleError,
    ),
    "weight that is a string": (
        lambda x: intrinsics.federated_mean(x, weight="1"),
        FLOAT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "weight at the server": (
        lambda x, w: intrinsics.federated_mean(x, w),
        [FLOAT_CLIENTS, FederatedType(np.float32, SERVER)],
        errors.PlacementError,
    ),
    "mean of a value without placement": (
        lambda x: intrinsics.federated_mean(x, weight=1.0),
        [np.float32, np.float32],
        errors.PlacementError,
    ),
    "sum of a structure with one string": (
        lambda x: intrinsics.federated_sum(x),
        FederatedType([("a", np.int32), ("b", [np.float32, np.str_])], CLIENTS),
        errors.SumIncompatibleError,
    ),
    "map of a function of another structure": (
        lambda x: intrinsics.federated_map(
            function("f", [("a", np.int32), ("b", np.int64)], np.int32), x
        ),
        FederatedType([("a", np.int32), ("b", np.int32)], CLIENTS),
        errors.TypeMismatchError,
    ),
    "map for all of a value of each": (
        lambda x: intrinsics.federated_map_all_equal(HALF, x),
        FLOAT_CLIENTS,
        errors.PlacementError,
    ),
    "maximum of strings": (
        lambda x: intrinsics.federated_max(x),
        FederatedType(np.str_, CLIENTS),
        errors.OrderIncompatibleError,
    ),
    "minimum of a server value": (
        lambda x: intrinsics.federated_min(x),
        INT_SERVER,
        errors.PlacementError,
    ),
    "collection of sequences": (
        lambda x: intrinsics.federated_collect(x),
        FederatedType(NUMBERS, CLIENTS),
        errors.TypeMismatchError,
    ),
    "reduction with an operator of another type": (
        lambda x: intrinsics.federated_reduce(x, 0.0, ADD),
        INT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "secure sum of floats": (
        lambda x: intrinsics.federated_secure_sum(x, 10),
        FLOAT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "secure sum with a bound of another structure": (
        lambda x: intrinsics.federated_secure_sum(x, collections.OrderedDict(a=1)),
        FederatedType([("a", np.int32), ("b", np.int32)], CLIENTS),
        errors.TypeMismatchError,
    ),
    "secure sum with a bound at the server": (
        lambda x, bound: intrinsics.federated_secure_sum(x, bound),
        [INT_CLIENTS, INT_SERVER],
        errors.TypeMismatchError,
    ),
    "secure sum of too many bits": (
        lambda x: intrinsics.federated_secure_sum_bitwidth(x, [8, 63]),
        FederatedType([np.int32, np.int64], CLIENTS),
        errors.SecureSumError,
    ),
    "secure sum with a modulus of zero": (
        lambda x: intrinsics.federated_secure_modular_sum(x, 0),
        INT_CLIENTS,
        errors.SecureSumError,
    ),
    "selection with keys of another dtype": (
        lambda k, m, v: intrinsics.federated_select(k, m, v, PICK),
        [FederatedType((np.int64, [2]), CLIENTS), INT_SERVER, TABLE],
        errors.TypeMismatchError,
    ),
    "selection with a number for a placed one": (
        lambda k, v: intrinsics.federated_select(k, 4, v, PICK),
        [KEYS, TABLE],
        errors.PlacementError,
    ),
    "selection by a function of another type": (
        lambda k, m, v: intrinsics.federated_select(k, m, v, HALF),
        [KEYS, INT_SERVER, TABLE],
        errors.TypeMismatchError,
    ),
    "weight that is a vector": (
        lambda x, w: intrinsics.federated_mean(x, w),
        [FLOAT_CLIENTS, FederatedType(TensorType(np.float32, [2]), CLIENTS)],
        errors.TypeMismatchError,
    ),
    "broadcast of a client value": (
        lambda x: intrinsics.federated_broadcast(x),
        INT_CLIENTS,
        errors.PlacementError,
    ),
    "map of a function of another type": (
        lambda x: intrinsics.federated_map(HALF, x),
        INT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "map over an unplaced value": (
        lambda x: intrinsics.federated_map(HALF, x),
        np.float32,
        errors.PlacementError,
    ),
    "map of a value that is no function": (
        lambda x: intrinsics.federated_map(x, x),
        INT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "zip of two placements": (
        lambda x, y: intrinsics.federated_zip([x, y]),
        [INT_CLIENTS, INT_SERVER],
        errors.PlacementError,
    ),
    "value that is placed already": (
        lambda x: intrinsics.federated_value(x, SERVER),
        INT_SERVER,
        errors.PlacementError,
    ),
    "eval of a function of a parameter": (
        lambda x: intrinsics.federated_eval(HALF, SERVER),
        np.int32,
        errors.TypeMismatchError,
    ),
    "eval without a placement": (
        lambda x: intrinsics.federated_eval(lambda: 1, "server"),
        np.int32,
        errors.PlacementError,
    ),
    "aggregate of other types": (
        lambda x: intrinsics.federated_aggregate(
            x,
            0,
            function("accumulate", [np.float32, np.float32], np.float32),
            ADD,
            function("report", np.int32, np.int32),
        ),
        INT_CLIENTS,
        errors.TypeMismatchError,
    ),
    "reduce of no sequence": (
        lambda x: local_intrinsics.sequence_reduce(x, 0, ADD),
        np.int32,
        errors.TypeMismatchError,
    ),
    "reduce with an operator of another type": (
        lambda s: local_intrinsics.sequence_reduce(s, 0.0, ADD),
        NUMBERS,
        errors.TypeMismatchError,
    ),
    "sequence sum of strings": (
        lambda s: local_intrinsics.sequence_sum(s),
        SequenceType(np.str_),
        errors.SumIncompatibleError,
    ),
    "arithmetic": (lambda x: x + 1, np.int32, errors.TypeMismatchError),
    "comparison": (lambda x: x < 1, np.int32, errors.TypeMismatchError),
    "truth": (lambda x: 1 if x else 2, np.bool_, errors.TypeMismatchError),
    "forgotten return": (lambda x: None, np.int32, errors.TracingError),
    "call of a value that is no function": (lambda x: x(1), np.int32, errors.TypeMismatchError),
    "element that does not exist": (
        lambda x: x.weigth,
        [("weight", np.int32)],
        errors.ElementNameError,
    ),
    "position that does not exist": (lambda x: x[1], [np.int32], errors.ElementIndexError),
    "element of a value without any": (lambda x: x.sum(), INT_CLIENTS, errors.ElementNameError),
    "element that is set": (_set_element, [("weight", np.int32)], errors.TypeMismatchError),
    "loop over a value": (lambda x: list(x), INT_CLIENTS, errors.TypeMismatchError),
    "equality": (lambda x: 1 if x == 0 else 2, np.int32, errors.TypeMismatchError),
    "inequality": (lambda x: 1 if x != 0 else 2, np.int32, errors.TypeMismatchError),
    "function of numpy": (lambda x: np.sum(x), INT_CLIENTS, errors.TypeMismatchError),
    "array": (lambda x: np.asarray(x), INT_CLIENTS, errors.TypeMismatchError),
    "number": (lambda x: float(x), np.float32, errors.TypeMismatchError),
    "mean of a server value": (
        lambda x: intrinsics.federated_mean(x),
        INT_SERVER,
        errors.PlacementError,
    ),
    "object that is no value": (lambda x: object(), np.int32, errors.TypeMismatchError),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_explained(mistake, golden):
    fn, parameter, error = MISTAKES[mistake]
    with pytest.raises(error) as caught:
        federated_computation(fn, parameter)
    golden.check(mistake, str(caught.value))


def test_operator_outside_a_computation_is_explained(golden):
    with pytest.raises(errors.PlacementError) as caught:
        intrinsics.federated_sum(3)
    golden.check("operator outside a computation", str(caught.value))


def test_value_of_another_computation_is_refused():
    @federated_computation(INT_CLIENTS)
    def outer(x):
        with pytest.raises(errors.TracingError, match="uses a value of another computation"):
            federated_computation(lambda y: x, np.int32)
        return x

    assert str(outer.type_signature.result) == "{int32}@CLIENTS"


def test_value_outlives_no_computation():
    kept = []
    federated_computation(lambda x: kept.append(x) or x, np.int32)
    with pytest.raises(errors.TracingError, match="uses a value of another computation"):
        federated_computation(lambda y: kept[0], np.int32)


@pytest.mark.parametrize(
    ("federated_type", "expected"),
    [
        (FederatedType([np.int32, np.float32], CLIENTS), "{<int32>}@CLIENTS"),
        (FederatedType([("a", np.int32), ("b", np.float32)], SERVER), "<a=int32>@SERVER"),
        (FederatedType([np.int32, np.float32], CLIENTS, True), "<int32>@CLIENTS"),
    ],
)
def test_slice_of_a_federated_structure_is_taken_where_it_is(federated_type, expected):
    computation = federated_computation(lambda x: x[0:1], federated_type)
    assert str(computation.type_signature.result) == expected


def test_part_of_a_value_that_all_clients_have_is_one_too():
    federated_type = FederatedType([("a", np.int32)], CLIENTS, all_equal=True)
    computation = federated_computation(lambda x: x.a, federated_type)
    assert str(computation.type_signature.result) == "int32@CLIENTS"


def test_slice_of_a_structure_is_a_structure():
    computation = federated_computation(lambda x: x[1:], [np.int32, np.bool_, np.float32])
    assert str(computation.type_signature.result) == "<bool,float32>"


def test_a_call_is_made_once_however_often_its_result_is_used():
    computation = federated_computation(
        lambda x: (lambda y: (y, y))(intrinsics.federated_sum(x)), INT_CLIENTS
    )
    assert str(computation.node).count("federated_sum") == 1


def test_to_value_of_constants_keeps_their_types():
    computation = federated_computation(
        lambda: to_value(collections.OrderedDict(a=1, b=(2.5, np.int64(3), "x", True)))
    )
    assert str(computation.type_signature.result) == "<a=int32,b=<float32,int64,str,bool>>"
