"""Types as bytes and back, and what is refused on the way."""

from __future__ import annotations

import collections
import dataclasses
from typing import NamedTuple

import attrs
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.core import byte_format, containers, dtypes, errors, type_encoding
from tensorflow_federated.core.byte_format import Limits, Writer


def round_trip(type_signature: tff.Type) -> tff.Type:
    return tff.types.deserialize_type(tff.types.serialize_type(type_signature))


TYPES = [
    tff.TensorType(np.int32),
    tff.TensorType(np.float32, [None, 3, 0]),
    tff.TensorType(np.str_, None),
    tff.StructType([]),
    tff.StructType([("a", np.int32), (None, np.bool_)]),
    tff.to_type([np.int32, (np.float64, np.complex64)]),
    tff.to_type({"b": np.int8, "a": [np.str_]}),
    tff.to_type(collections.OrderedDict(x=np.uint64)),
    tff.SequenceType((np.float32, [None, 784])),
    tff.FunctionType(None, np.int32),
    tff.FunctionType([("f", tff.FunctionType(np.int32, np.int32))], np.int32),
    tff.FederatedType(np.int32, tff.CLIENTS),
    tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True),
    tff.FederatedType(tff.SequenceType(np.int32), tff.SERVER),
    tff.types.PlacementType(),
    tff.types.AbstractType("T"),
]


@pytest.mark.parametrize("type_signature", TYPES, ids=str)
def test_every_kind_of_type_comes_back(type_signature):
    assert round_trip(type_signature) == type_signature


tensors = st.builds(
    tff.TensorType,
    st.sampled_from([dtypes.dtype_from_name(name) for name in dtypes.supported_names()]),
    st.none() | st.lists(st.none() | st.integers(0, 2**40), max_size=3),
)


def structs(inner):
    names = st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=4)
    named = names.flatmap(
        lambda keys: st.tuples(*[inner for _ in keys]).map(
            lambda each: list(zip(keys, each, strict=True))
        )
    )
    return (
        st.lists(inner, max_size=4).map(tff.StructType)
        | st.lists(inner, max_size=4).map(lambda each: tff.to_type(tuple(each)))
        | named.map(tff.StructType)
        | named.map(lambda pairs: tff.StructWithPythonType(pairs, dict))
    )


@hypothesis.given(st.recursive(tensors, structs, max_leaves=12))
def test_structures_of_tensors_come_back(type_signature):
    assert round_trip(type_signature) == type_signature


def test_equal_types_have_equal_bytes():
    first, second = ([("a", np.int32), ("b", [np.float32, np.float32])] for _ in range(2))
    assert tff.types.serialize_type(tff.to_type(first)) == tff.types.serialize_type(
        tff.to_type(second)
    )


def test_a_type_that_is_used_twice_is_written_once():
    part = tff.to_type({f"name_{i}": (np.float32, [i]) for i in range(50)})
    once = len(tff.types.serialize_type(tff.StructType([part])))
    assert len(tff.types.serialize_type(tff.StructType([part, part, part]))) < once + 10


class Point(NamedTuple):
    x: object
    y: object


@attrs.define
class Pair:
    x: object
    y: object


@dataclasses.dataclass
class Record:
    x: object
    y: object


@pytest.mark.parametrize("container", [Point, Pair, Record])
def test_a_container_of_the_author_becomes_a_named_tuple(container):
    found = round_trip(tff.to_type(container(np.int32, np.bool_)))
    assert issubclass(found.python_container, tuple)
    assert found.python_container.__name__ == container.__name__
    assert found.python_container._fields == ("x", "y")
    assert found.is_equivalent_to(tff.to_type(container(np.int32, np.bool_)))


def test_the_same_names_give_the_same_named_tuple():
    first, second = (round_trip(tff.to_type(Point(each, np.int32))) for each in (np.int8, np.str_))
    assert first.python_container is second.python_container


def test_a_container_of_this_package_comes_back_as_itself():
    weights = tff.learning.models.ModelWeights([np.float32], [])
    assert round_trip(tff.to_type(weights)).python_container is type(weights)


def test_a_container_that_is_registered_comes_back_as_itself(monkeypatch):
    monkeypatch.setattr(containers, "_registered", {})
    containers.register_container("test.Point", Point)
    assert round_trip(tff.to_type(Point(np.int32, np.int32))).python_container is Point


def test_a_registered_container_is_not_imported_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(containers, "_registered", {"test.Point": Point})
    data = tff.types.serialize_type(tff.to_type(Point(np.int32, np.int32)))
    monkeypatch.setattr(containers, "_registered", {})
    with pytest.raises(errors.WireError, match=r"no container 'test\.Point'"):
        tff.types.deserialize_type(data)


def test_names_that_python_does_not_allow_travel_in_an_ordered_dict():
    @attrs.define
    class Private:
        _x: object

    found = round_trip(tff.StructWithPythonType([("_x", np.int32)], Private))
    assert found.python_container is collections.OrderedDict


def sealed(write) -> bytes:
    writer = Writer()
    write(writer)
    return byte_format.seal(byte_format.TYPE, writer.data)


def tensor(writer: Writer) -> None:
    writer.unsigned(0)
    writer.text("int32")
    writer.flag(True)
    writer.shape(())


def chain(length: int) -> bytes:
    """Structures, each of which holds the one before it."""

    def write(writer: Writer) -> None:
        writer.unsigned(length + 1)
        tensor(writer)
        for position in range(length):
            writer.unsigned(1)
            writer.text("")
            writer.unsigned(1)
            writer.optional_text(None)
            writer.unsigned(position)

    return sealed(write)


def doubling(length: int) -> bytes:
    """Structures, each of which holds the one before it twice."""

    def write(writer: Writer) -> None:
        writer.unsigned(length + 1)
        tensor(writer)
        for position in range(length):
            writer.unsigned(1)
            writer.text("")
            writer.unsigned(2)
            for _ in range(2):
                writer.optional_text(None)
                writer.unsigned(position)

    return sealed(write)


def test_deep_types_are_refused_before_they_overflow_the_stack():
    assert str(tff.types.deserialize_type(chain(50))).count("<") == 50
    with pytest.raises(errors.WireError, match="nested more than 120 deep"):
        tff.types.deserialize_type(chain(100_000))


def test_types_that_double_at_each_step_are_refused():
    with pytest.raises(errors.WireError, match="more than 200000 parts"):
        tff.types.deserialize_type(doubling(100))


def test_a_limit_can_be_raised():
    with pytest.raises(errors.WireError, match="limit `depth`"):
        tff.types.deserialize_type(chain(10), limits=Limits(depth=5))
    assert tff.types.deserialize_type(chain(10), limits=Limits(depth=20)) is not None


def record(kind: int, *texts: str):
    def write(writer: Writer) -> None:
        writer.unsigned(1)
        writer.unsigned(kind)
        for text in texts:
            writer.text(text)
        writer.flag(False)

    return write


HOSTILE = {
    "no type": lambda w: w.unsigned(0),
    "a count beyond the end": lambda w: w.unsigned(2**40),
    "a kind that does not exist": record(7),
    "a dtype that does not exist": record(0, "object"),
    "a container that would be imported": record(1, "os.system"),
    "a record with a name that is code": record(1, "record", "x); import os; ("),
    "a type that comes later": lambda w: [w.unsigned(n) for n in (1, 2, 0)],
    "a name longer than the bytes": lambda w: [w.unsigned(n) for n in (1, 0, 2**50)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_type_is_refused(name, golden):
    with pytest.raises(errors.WireError) as caught:
        tff.types.deserialize_type(sealed(HOSTILE[name]))
    golden.check(name, str(caught.value))


def test_a_federated_type_inside_a_sequence_is_refused():
    table = type_encoding.TypeTable()
    table.position(tff.FederatedType(np.int32, tff.CLIENTS))
    writer = Writer()
    table.write(writer)
    writer.data[0] += 1
    writer.unsigned(2)
    writer.unsigned(1)
    with pytest.raises(errors.WireError, match="breaks a law of the language"):
        tff.types.deserialize_type(byte_format.seal(byte_format.TYPE, writer.data))
