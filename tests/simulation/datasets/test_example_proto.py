from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from tensorflow_federated.simulation.datasets import example_proto

parse = example_proto.parse_example

features = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.lists(st.binary(max_size=200), max_size=5),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20).map(
            lambda values: np.array(values, np.int64)
        ),
        st.lists(st.floats(width=32), min_size=1, max_size=20).map(
            lambda values: np.array(values, np.float32)
        ),
    ),
    max_size=5,
)


def by_tensorflow(values: dict[str, Any]) -> bytes:
    message = tf.train.Example()
    for name, value in values.items():
        target = message.features.feature[name]
        if isinstance(value, list):
            target.bytes_list.value.extend(value)
        elif value.dtype == np.float32:
            target.float_list.value.extend(value.tolist())
        else:
            target.int64_list.value.extend(value.tolist())
    return message.SerializeToString()


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert type(found[name]) is type(value)
        if isinstance(value, list):
            assert found[name] == value
        else:
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)


@given(features)
def test_what_tensorflow_serialized_is_read(values: dict[str, Any]):
    assert_equal(parse(by_tensorflow(values)), values)


@given(features, features)
def test_messages_in_pieces_are_merged(first: dict[str, Any], second: dict[str, Any]):
    assert_equal(parse(by_tensorflow(first) + by_tensorflow(second)), first | second)


def read_or_refused(content: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(example_proto.MalformedExampleError):
        return parse(content)
    return None


@given(st.binary(max_size=300))
@example(b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
def test_hostile_bytes_are_read_or_refused_but_nothing_else(content: bytes):
    assert isinstance(read_or_refused(content), dict | None)


@given(features, st.data())
def test_damaged_messages_are_read_or_refused_but_nothing_else(
    values: dict[str, Any], data: st.DataObject
):
    content = bytearray(by_tensorflow(values))
    for _ in range(data.draw(st.integers(1, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(read_or_refused(bytes(content)), dict | None)


def test_every_message_that_is_cut_off_is_refused(serialize: Callable[..., bytes]):
    content = serialize({"label": np.array([300, 7]), "text": [b"abc"]})
    assert parse(content).keys() == {"label", "text"}
    for length in range(1, len(content)):
        with pytest.raises(example_proto.MalformedExampleError):
            parse(content[:length])


def test_numbers_need_not_be_packed():
    floats = b"\x12\x0a\x0d\x00\x00\x80\x3f\x0d\x00\x00\x00\x40"  # float_list {1.0, 2.0}
    integers = b"\x1a\x05\x08\x05\x08\xac\x02"  # int64_list {value: 5, value: 300}
    entries = b"".join(
        b"\x0a" + bytes([len(entry)]) + entry
        for entry in (
            b"\x0a\x01i\x12" + bytes([len(integers)]) + integers,
            b"\x0a\x01f\x12" + bytes([len(floats)]) + floats,
        )
    )
    found = parse(b"\x0a" + bytes([len(entries)]) + entries)
    assert_equal(found, {"i": np.array([5, 300], np.int64), "f": np.array([1.0, 2.0], np.float32)})


def test_unknown_fields_are_skipped(serialize: Callable[..., bytes]):
    unknown = b"\x10\x07" + b"\x1d\x01\x02\x03\x04" + b"\x21" + bytes(8) + b"\x2a\x01x"
    content = serialize({"label": np.array([7])})
    assert_equal(parse(unknown + content + unknown), {"label": np.array([7], np.int64)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x08\x01", "a number is where a message or a string must be"),
        (b"\x0b", "3 is no wire type of a known field"),
        (b"\x02\x00", "0 is no field number"),
        (b"\x0a\x05abc", "a field is cut off"),
        (b"\x0a" + b"\x80" * 10, "an integer is cut off or too long"),
        (b"\x0a\x05\x0a\x03\x0a\x01\xff", "the name of a feature is not UTF-8: b'\\xff'"),
        (
            b"\x0a\x09\x0a\x07\x12\x05\x12\x03\x0a\x01\x00",
            "1 bytes are no whole number of float32 values",
        ),
        (b"\x0a\x09\x0a\x07\x12\x05\x1a\x03\x0a\x01\x80", "the last integer is cut off"),
        (
            b"\x0a\x13\x0a\x11\x12\x0f\x1a\x0d\x0a\x0b" + b"\x80" * 10 + b"\x01",
            "an integer has more than 10 bytes",
        ),
        (
            b"\x0a\x08\x0a\x06\x12\x04\x12\x02\x08\x01",
            "a number has a wire type that its list does not allow",
        ),
    ],
)
def test_the_reason_of_a_refusal_is_told(content: bytes, reason: str):
    with pytest.raises(ValueError, match="no serialized") as caught:
        parse(content)
    assert caught.value.problems == (f"reason: {reason}",)  # type: ignore[attr-defined]


def test_sizes_are_limited(serialize: Callable[..., bytes]):
    content = serialize({"a": [b"x"], "b": [b"y"]})
    with pytest.raises(ValueError, match="bytes are more than 10"):
        parse(content, max_bytes=10)
    with pytest.raises(ValueError, match="more than 1 features"):
        parse(content, max_features=1)
