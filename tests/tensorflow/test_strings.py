"""Strings, wherever there can be tensors."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

pytestmark = pytest.mark.usefixtures("engine")

TEXTS = tff.SequenceType(np.str_)
join = tff.tensorflow.computation(lambda x, y: x + y, np.str_, np.str_)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hé", "hé".encode()),
        ("", b""),
        (b"\x00\xff\x00", b"\x00\xff\x00"),
        (np.str_("x"), b"x"),
        (np.bytes_(b"x"), b"x"),
        (tf.constant("t"), b"t"),
    ],
)
def test_one_string(given: Any, expected: bytes):
    result = tff.tensorflow.computation(lambda x: x, np.str_)(given)
    assert type(result) is bytes
    assert result == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", b"b"], [b"a", b"b"]),
        (np.array(["a", "é", ""]), [b"a", "é".encode(), b""]),
        (np.array([b"a", "b"], object), [b"a", b"b"]),
        (tf.constant(["a"]), [b"a"]),
        ([], []),
    ],
)
def test_arrays_of_strings(given: Any, expected: list[bytes]):
    same = tff.tensorflow.computation(lambda x: x, tff.TensorType(np.str_, [None]))
    assert same(given).tolist() == expected


def test_arrays_of_two_dimensions():
    flat = tff.tensorflow.computation(
        lambda x: tf.reshape(x, [-1]), tff.TensorType(np.str_, [2, None])
    )
    assert flat([["a", "b"], ["c", "d"]]).tolist() == [b"a", b"b", b"c", b"d"]


def test_strings_in_structures():
    given = collections.OrderedDict(name="a", more=("b", [1]))
    same = tff.tensorflow.computation(lambda x: x)
    assert same(given) == collections.OrderedDict(name=b"a", more=(b"b", [1]))


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (["a", "é", "", b"c"], "aéc".encode()),
        ([], b""),
        (tf.data.Dataset.from_tensor_slices(["a", "b"]), b"ab"),
    ],
)
def test_sequences_of_strings(elements: Any, expected: bytes):
    joined = tff.tensorflow.computation(lambda data: data.reduce("", join), TEXTS)
    assert joined(elements) == expected

    @tff.federated_computation(tff.FederatedType(TEXTS, tff.CLIENTS))
    def of_each(texts):
        return tff.federated_map(joined, texts)

    assert of_each([elements, ["z"]]) == [expected, b"z"]


def test_batches_of_strings():
    batch = tff.to_type(collections.OrderedDict(s=(np.str_, [None]), n=(np.int32, [None])))

    @tff.tensorflow.computation(tff.SequenceType(batch))
    def lengths(data):
        total = 0
        for each in data:
            total += tf.reduce_sum(tf.strings.length(each["s"]) * each["n"])
        return total

    assert lengths([{"s": ["a", "bc"], "n": [1, 10]}, {"s": ["def"], "n": [100]}]) == 321


def test_strings_of_clients_are_joined():
    report = tff.tensorflow.computation(lambda x: x, np.str_)

    @tff.federated_computation(tff.FederatedType(np.str_, tff.CLIENTS))
    def joined(texts):
        return tff.federated_aggregate(texts, "", join, join, report)

    assert joined(["a", "é", ""]) == "aé".encode()


def test_a_string_at_the_server():
    @tff.federated_computation
    def greeting():
        return tff.federated_value("é", tff.SERVER)

    assert greeting() == "é".encode()


def test_regular_expressions():
    replace = tff.tensorflow.computation(lambda x: tf.strings.regex_replace(x, "a+", "b"), np.str_)
    assert replace("caat") == b"cbt"


def test_examples_are_parsed():
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[7]))
    example = tf.train.Example(features=tf.train.Features(feature={"a": feature}))

    @tff.tensorflow.computation(np.str_)
    def parse(serialized):
        described = {"a": tf.io.FixedLenFeature([], tf.int64)}
        return tf.io.parse_single_example(serialized, described)["a"]

    assert parse(example.SerializeToString()) == 7
