"""Computations and values as bytes, through the public names."""

from __future__ import annotations

import collections
import gc
import pickle
import weakref
from typing import NamedTuple

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import byte_format, errors, portable
from tensorflow_federated.jax import portable_computation


class Point(NamedTuple):
    x: object
    y: object


def travelled(computation):
    return tff.framework.deserialize_computation(tff.framework.serialize_computation(computation))


@tff.jax.computation(np.float32)
def half(x):
    return x / 2


@portable_computation(np.float32, np.float32)
def weigh(value, weight):
    xp = portable.namespace_of(value, weight)
    return xp.maximum(value, weight) * weight


@tff.federated_computation(
    tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.float32, tff.SERVER)
)
def mixed(values, scale):
    """JAX and portable computations, constants, a nested computation."""

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def total(inner):
        return tff.federated_sum(inner)

    halves = tff.federated_map(half, values)
    weighed = tff.federated_map(weigh, (halves, tff.federated_broadcast(scale)))
    constants = tff.federated_value(("text", np.array([1, 2], np.int64)), tff.SERVER)
    return collections.OrderedDict(
        mean=tff.federated_mean(weighed), total=total(weighed), constants=constants
    )


def test_a_computation_that_travelled_gives_the_same(engine):
    arguments = [1.0, 2.0, 7.0], 3.0
    found, expected = travelled(mixed)(*arguments), mixed(*arguments)
    assert list(found) == ["mean", "total", "constants"]
    assert found["mean"] == expected["mean"]
    assert found["total"] == expected["total"]
    assert found["constants"][0] == b"text"
    np.testing.assert_array_equal(found["constants"][1], [1, 2])


def test_its_type_its_name_and_its_program_stay():
    found = travelled(mixed)
    assert found.type_signature == mixed.type_signature
    assert found.__name__ == "mixed"
    assert str(found.to_building_block()) == str(mixed.to_building_block())


def test_what_travelled_can_travel_again():
    data = tff.framework.serialize_computation(mixed)
    again = tff.framework.serialize_computation(tff.framework.deserialize_computation(data))
    assert again == data


def test_it_can_be_part_of_another_computation(engine):
    inner = travelled(half)

    @tff.federated_computation(tff.FederatedType(np.float32, tff.CLIENTS))
    def quarter(values):
        return tff.federated_sum(tff.federated_map(half, tff.federated_map(inner, values)))

    assert quarter([4.0, 8.0]) == 3.0


def test_a_function_as_a_parameter(engine):
    @tff.federated_computation(
        tff.FunctionType(np.float32, np.float32), tff.FederatedType(np.float32, tff.CLIENTS)
    )
    def apply(fn, values):
        return tff.federated_sum(tff.federated_map(fn, values))

    assert travelled(apply)(half, [4.0, 8.0]) == 6.0


def test_a_fresh_process_without_the_code_gives_the_same(tmp_path, run_python):
    path = tmp_path / "mixed"
    path.write_bytes(tff.framework.serialize_computation(mixed))
    printed = run_python(
        """
        import sys
        import tensorflow_federated as tff
        data = open(sys.argv[1], "rb").read()
        print(tff.framework.deserialize_computation(data)([1.0, 2.0, 7.0], 3.0))
        """,
        str(path),
    )
    assert printed.strip() == str(mixed([1.0, 2.0, 7.0], 3.0))


def test_what_was_read_is_let_go():
    found = travelled(half)
    found(1.0)
    reference = weakref.ref(found.to_building_block().computation)
    del found
    gc.collect()
    assert reference() is None


def test_a_polymorphic_computation_cannot_travel(golden):
    with pytest.raises(errors.WireError) as caught:
        tff.framework.serialize_computation(tff.jax.computation(lambda x: x))
    golden.check("polymorphic", str(caught.value))


def test_a_back_end_that_is_not_known_is_told(golden):
    data = tff.framework.serialize_computation(half)
    payload = bytes(data[data.index(b"\x03jax") :])
    payload = data[51 : len(data) - len(payload)] + payload.replace(b"\x03jax", b"\x03abc", 1)
    with pytest.raises(errors.WireError) as caught:
        tff.framework.deserialize_computation(
            byte_format.seal(byte_format.COMPUTATION, bytes(payload))
        )
    golden.check("unknown back end", str(caught.value))


VALUES = [
    (np.float32(0.5), np.float32),
    ("text", np.str_),
    (np.array([[1, 2]], np.int64), (np.int64, [None, 2])),
    (["a", "b"], (np.str_, [2])),
    ({"b": 1, "a": (True, 2.5)}, collections.OrderedDict(b=np.int32, a=(np.bool_, np.float64))),
    ([1, 2, 3], tff.SequenceType(np.int32)),
    ([], tff.SequenceType(np.int32)),
    ([1, 2], tff.FederatedType(np.int32, tff.CLIENTS)),
    (3, tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True)),
    ([[1], [], [2, 3]], tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS)),
    ((), tff.StructType([])),
]


@pytest.mark.parametrize(("value", "spec"), VALUES, ids=lambda each: str(each)[:40])
def test_a_value_comes_back(value, spec):
    data, type_signature = tff.framework.serialize_value(value, spec)
    found, found_type = tff.framework.deserialize_value(data)
    assert found_type == type_signature == tff.to_type(spec)
    identity = tff.framework.serialize_value(found, spec)
    assert identity == (data, type_signature)


def test_the_type_of_a_value_is_deduced():
    data, type_signature = tff.framework.serialize_value({"a": 1.5, "b": [1]})
    assert str(type_signature) == "<a=float32,b=<int32>>"
    assert tff.framework.deserialize_value(data)[0] == {"a": 1.5, "b": [1]}


def test_a_value_comes_in_the_containers_that_are_asked_for():
    data, _ = tff.framework.serialize_value((1, 2))
    found, found_type = tff.framework.deserialize_value(data, Point(np.int32, np.int32))
    assert found == Point(1, 2)
    assert isinstance(found, Point)
    assert found_type.python_container is Point


def test_a_value_of_another_type_than_is_asked_for_is_told():
    data, _ = tff.framework.serialize_value(1)
    with pytest.raises(tff.types.TypeNotAssignableError):
        tff.framework.deserialize_value(data, np.float32)


def test_a_computation_is_a_value_too():
    data, type_signature = tff.framework.serialize_value(half, half.type_signature)
    found, _ = tff.framework.deserialize_value(data, type_signature)
    assert found(3.0) == 1.5


def test_the_state_of_a_process_comes_back():
    process = tff.aggregators.MeanFactory().create(
        tff.to_type((np.float32, [2])), tff.to_type(np.float32)
    )
    output = process.next(process.initialize(), [np.float32([1, 2])], [np.float32(2)])
    data, _ = tff.framework.serialize_value(output.result)
    np.testing.assert_array_equal(tff.framework.deserialize_value(data)[0], [1, 2])


def test_damaged_values_are_refused():
    data, _ = tff.framework.serialize_value([np.arange(5), "text"])
    for position in range(len(data)):
        with pytest.raises(errors.WireError):
            tff.framework.deserialize_value(data[:position])


def test_a_framework_that_is_not_installed_is_named(tmp_path, run_python):
    path = tmp_path / "fn"
    fn = tff.tensorflow.computation(lambda x: x + 1, np.int32)
    path.write_bytes(tff.framework.serialize_computation(fn))
    printed = run_python(
        """
        import sys
        sys.modules["tensorflow"] = None
        import tensorflow_federated as tff
        try:
            tff.framework.deserialize_computation(open(sys.argv[1], "rb").read())
        except ImportError as error:
            print(type(error).__name__, error.fix)
        """,
        str(path),
    )
    assert printed.strip() == 'MissingExtraError pip install "tff-ng[tensorflow]"'


def test_a_pickled_computation_is_read_as_the_bytes_of_the_wire():
    data = pickle.dumps(half)
    assert tff.framework.serialize_computation(half) in data
    assert pickle.loads(data)(3.0) == 1.5
