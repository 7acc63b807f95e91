"""Between Python and canonical values: what is taken, what is refused, what comes back."""

from __future__ import annotations

import collections
import dataclasses

import ml_dtypes
import numpy as np
import pytest

from tensorflow_federated.core import errors, types
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType, TensorType
from tensorflow_federated.execution import problems, sequences, tensors, values
from tensorflow_federated.jax import portable_computation

INT = TensorType(np.int32)
FLOAT = TensorType(np.float32)
PAIR = types.to_type(collections.OrderedDict(a=np.int32, b=np.float32))


@dataclasses.dataclass
class Pair:
    a: int
    b: float


PairTuple = collections.namedtuple("PairTuple", ["a", "b"])


@pytest.mark.parametrize(
    ("value", "type_signature", "expected"),
    [
        (3, INT, np.int32(3)),
        (np.int32(3), INT, np.int32(3)),
        (2.5, FLOAT, np.float32(2.5)),
        (True, TensorType(np.bool_), np.bool_(True)),
        (1 + 2j, TensorType(np.complex64), np.complex64(1 + 2j)),
        (np.array(3, np.int32), INT, np.int32(3)),
    ],
)
def test_scalars_become_numpy_scalars(value, type_signature, expected):
    actual = values.to_canonical(value, type_signature)
    assert type(actual) is type(expected)
    assert actual == expected


@pytest.mark.parametrize(
    ("value", "type_signature", "reason"),
    [
        (1, FLOAT, "expected float32, got the integer 1"),
        (1.0, INT, "expected int32, got the float 1.0"),
        (True, INT, "expected int32, got the bool True"),
        (300, TensorType(np.int8), "300 is out of the range of int8"),
        (2**40, INT, "out of the range of int32"),
        (np.float64(1), FLOAT, "expected float32, got float64"),
        (np.int64(1), INT, "expected int32, got int64"),
        ("a", INT, "expected int32, got the string 'a'"),
        (None, INT, "expected int32, got None"),
        ([1], INT, "expected int32, got a list of 1"),
        ({"a": 1}, INT, "expected int32, got a dict of 1"),
        (1, TensorType(np.str_), "expected str"),
    ],
)
def test_other_kinds_are_refused(value, type_signature, reason):
    with pytest.raises(errors.TypeMismatchError) as raised:
        values.to_canonical(value, type_signature)
    assert reason in str(raised.value)


@pytest.mark.parametrize("value", ["héllo", "héllo".encode(), np.str_("héllo")])
def test_strings_become_bytes(value):
    assert values.to_canonical(value, TensorType(np.str_)) == "héllo".encode()


def test_arrays_of_strings_become_arrays_of_bytes():
    array = values.to_canonical(["a", b"b"], TensorType(np.str_, [2]))
    assert array.dtype == object
    assert array.tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("value", "type_signature"),
    [
        ([1, 2], TensorType(np.int32, [2])),
        ((1, 2), TensorType(np.int32, [None])),
        ([[1.0, 2.0], [3.0, 4.0]], TensorType(np.float32, [2, 2])),
        ([np.float32(1), 2.0], TensorType(np.float32, [2])),
        ([], TensorType(np.int32, [0])),
        (np.zeros((2, 3), np.float32), TensorType(np.float32, None)),
    ],
)
def test_lists_and_arrays_become_arrays_of_the_dtype(value, type_signature):
    array = values.to_canonical(value, type_signature)
    assert array.dtype == type_signature.dtype
    np.testing.assert_array_equal(array, np.array(value))


@pytest.mark.parametrize(
    ("value", "type_signature", "reason"),
    [
        ([1, 2, 3], TensorType(np.int32, [2]), r"expected int32\[2\], got int32\[3\]"),
        ([1, 2.0], TensorType(np.int32, [2]), r"argument\[1\]: expected int32, got the float 2.0"),
        ([[1], [2, 3]], TensorType(np.int32, [2, None]), "lists of different lengths"),
        (np.zeros(3), TensorType(np.float32, [3]), "expected float32, got float64"),
        (1.0, TensorType(np.float32, [1]), r"expected float32\[1\], got float32"),
    ],
)
def test_arrays_of_another_form_are_refused(value, type_signature, reason):
    with pytest.raises(errors.TypeMismatchError, match=reason):
        values.to_canonical(value, type_signature)


def test_arrays_of_frameworks_are_taken_by_what_they_offer():
    class Tensor:
        def numpy(self):
            return np.float32(4)

    assert values.to_canonical(Tensor(), FLOAT) == 4


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": 2.0},
        {"b": 2.0, "a": 1},
        collections.OrderedDict(a=1, b=2.0),
        [1, 2.0],
        (1, 2.0),
        PairTuple(1, 2.0),
        Pair(1, 2.0),
    ],
)
def test_structures_are_taken_from_every_container(value):
    assert values.to_canonical(value, PAIR) == (1, 2.0)


@pytest.mark.parametrize(
    "value", [{"a": 1}, {"a": 1, "c": 2.0}, [1], [1, 2.0, 3], 1, PairTuple(1, None)]
)
def test_structures_of_another_form_are_refused(value):
    with pytest.raises(errors.TypeMismatchError):
        values.to_canonical(value, PAIR)


def test_all_problems_are_told_with_their_paths():
    wanted = types.to_type([("x", PAIR), ("y", [np.int32, np.str_])])
    with pytest.raises(errors.TypeMismatchError) as raised:
        values.to_canonical({"x": {"a": 1.5, "b": 2}, "y": [1, 2]}, wanted)
    assert [problem.partition(": ")[0] for problem in raised.value.problems] == [
        "argument.x.a",
        "argument.x.b",
        "argument.y[1]",
    ]


def test_many_problems_are_cut_short():
    with pytest.raises(errors.TypeMismatchError) as raised:
        values.to_canonical([1.5] * 100, FederatedType(np.int32, CLIENTS))
    assert raised.value.problems[-1] == "and 92 more of this kind"


def test_clients_are_given_as_a_list():
    clients = FederatedType(np.int32, CLIENTS)
    assert values.to_canonical([1, 2], clients) == [1, 2]
    assert values.to_canonical((1, 2), clients) == [1, 2]
    assert values.to_canonical([], clients) == []


def test_a_dataset_can_stand_for_the_clients(monkeypatch):
    class Dataset(list):  # type: ignore[type-arg]
        pass

    monkeypatch.setattr(sequences, "_converters", [])
    sequences.register_dataset_converter(
        lambda value: isinstance(value, Dataset),
        lambda value, element_type: sequences.Sequence.from_elements(value, element_type),
    )
    clients = FederatedType(np.int32, CLIENTS)
    assert values.to_canonical(Dataset([np.int32(1), np.int32(2)]), clients) == [1, 2]


@pytest.mark.parametrize("value", [10, {"a": 1}, {1, 2}, PairTuple(1, 2)])
def test_anything_else_is_no_list_of_clients(value):
    with pytest.raises(errors.InvalidNonAllEqualValueError, match="expected a list"):
        values.to_canonical(value, FederatedType(np.int32, CLIENTS))


def test_where_all_are_equal_one_value_is_given():
    same = FederatedType(np.int32, CLIENTS, all_equal=True)
    assert values.to_canonical(3, same) == 3
    with pytest.raises(errors.InvalidNonAllEqualValueError, match="a list of 2"):
        values.to_canonical([3, 3], same)


def test_a_function_is_a_computation_of_its_type():
    double = portable_computation(lambda x: x * 2, np.int32)
    polymorphic = portable_computation(lambda x: x * 2)
    wanted = FunctionType(np.int32, np.int32)
    assert values.to_canonical(double, wanted) is double
    assert values.to_canonical(polymorphic, wanted).type_signature == wanted
    with pytest.raises(errors.TypeMismatchError, match="result"):
        values.to_canonical(double, FunctionType(np.int32, np.float32))
    with pytest.raises(errors.TypeMismatchError):
        values.to_canonical(abs, wanted)


@pytest.mark.parametrize(
    ("type_signature", "value"),
    [
        (PAIR, collections.OrderedDict(a=1, b=2.0)),
        (types.to_type([np.int32, (np.float32, [2])]), [1, [2.0, 3.0]]),
        (types.to_type(PairTuple(np.int32, np.float32)), PairTuple(1, 2.0)),
        (types.to_type(Pair(np.int32, np.float32)), Pair(1, 2.0)),  # type: ignore[arg-type]
        (FederatedType(PAIR, CLIENTS), [{"a": 1, "b": 2.0}, {"a": 3, "b": 4.0}]),
        (FederatedType(np.str_, SERVER), b"x"),
        (SequenceType(np.int32), [1, 2, 3]),
    ],
)
def test_values_come_back_in_their_containers(type_signature, value):
    back = values.to_python(values.to_canonical(value, type_signature), type_signature)
    assert type(back) is type(value)
    np.testing.assert_equal(back, value)


def test_a_sequence_that_is_a_dataset_comes_back_as_it():
    dataset = object()
    nothing = sequences.Sequence.from_elements([], INT)
    sequence = sequences.Sequence.from_dataset(dataset, INT, lambda: nothing)
    assert values.to_python(sequence, SequenceType(INT)) is dataset


PARAMETER = types.to_type(
    [("x", FederatedType(np.int32, CLIENTS)), ("y", [FederatedType(np.int32, CLIENTS), np.int32])]
)


def test_the_number_of_clients_is_that_of_every_argument():
    argument = values.to_canonical([[1, 2], [[3, 4], 5]], PARAMETER)
    assert values.cardinality(argument, PARAMETER) == 2


def test_without_clients_their_number_is_not_told():
    assert values.cardinality(None, None) is None
    assert values.cardinality(3, FederatedType(np.int32, CLIENTS, all_equal=True)) is None


def test_arguments_of_different_numbers_of_clients_are_refused():
    argument = values.to_canonical([[1, 2], [[3], 5]], PARAMETER)
    with pytest.raises(errors.CardinalityError) as raised:
        values.cardinality(argument, PARAMETER)
    assert raised.value.problems == (
        "argument.x: values of 2 clients",
        "argument.y[0]: values of 1 clients",
    )


@pytest.mark.parametrize(
    ("clients", "fix"),
    [
        ({"a": 1}, "list(clients.values())"),
        ({1}, "sorted(clients)"),
        (1, "[value]"),
    ],
)
def test_what_is_no_list_of_clients_is_told_how_to_become_one(clients, fix):
    with pytest.raises(errors.InvalidNonAllEqualValueError) as caught:
        values.to_canonical(clients, FederatedType(np.int32, CLIENTS))
    assert fix in str(caught.value.fix)


def test_the_signature_of_a_problem_is_the_part_that_it_is_in():
    whole = types.to_type([("state", PAIR), ("data", FederatedType(np.int32, CLIENTS))])
    with pytest.raises(errors.TypeMismatchError) as caught:
        values.to_canonical({"state": {"a": "no", "b": "no"}, "data": [1]}, whole)
    assert caught.value.signature == str(PAIR)


def test_a_dataset_of_another_type_is_told_with_its_client(monkeypatch):
    def convert(value, element_type):
        raise errors.TypeMismatchError("no", problems=["dataset[*]: expected int32, got bool"])

    monkeypatch.setattr(sequences, "_converters", [(lambda value: value == "dataset", convert)])
    with pytest.raises(errors.TypeMismatchError) as caught:
        values.to_canonical([[1], "dataset"], FederatedType(SequenceType(np.int32), CLIENTS))
    assert caught.value.problems == ("argument[1][*]: expected int32, got bool",)


SCALARS = [
    True,
    0,
    -1,
    200,
    2**31,
    2**63,
    1.5,
    1e39,
    float("inf"),
    float("nan"),
    2j,
    "a",
    b"a",
    None,
]
ARRAYS = [
    *(np.int8(1), np.int32(1), np.int64(1), np.float32(0.5), np.float64(0.5), np.bool_(True)),
    *(
        np.array(1, np.int32),
        np.ones([2], np.int32),
        np.ones([2], ">i4"),
        np.ones([1, 2], np.int32),
    ),
    *(np.ones([2], np.float32), [1, 2], [1.0, 2.0], (True, False), [], [[1], [2]]),
]


@pytest.mark.parametrize("shape", [(), (2,), (None,), None], ids=str)
@pytest.mark.parametrize(
    "dtype",
    [
        *(np.int8, np.int32, np.uint64, np.float16, ml_dtypes.bfloat16),
        *(np.float32, np.complex64, np.bool_),
    ],
)
def test_what_is_known_at_once_is_what_a_closer_look_finds(dtype, shape):
    tensor_type = TensorType(dtype, shape)
    convert = tensors.converter(tensor_type)
    for value in [*SCALARS, *ARRAYS]:
        found, expected = problems.Problems(), problems.Problems()
        actual = convert(value, "argument", found)
        wanted = tensors.to_canonical(value, tensor_type, "argument", expected)
        assert found.lines == expected.lines
        assert type(actual) is type(wanted)
        assert repr(actual) == repr(wanted)


def test_a_scalar_stays_the_object_that_it_is():
    value = np.float32(0.1)
    assert values.to_canonical(value, FLOAT) is value
    array = np.ones([3], np.float32)
    assert values.to_canonical(array, TensorType(np.float32, [None])) is array
