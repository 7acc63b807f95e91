"""Sending different data to each client with federated select, in TensorFlow."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import contexts

TEXTS = tff.TensorType(np.str_, [None])
get_size = tff.tensorflow.computation(lambda x: tf.size(x))
select_fn = tff.tensorflow.computation(lambda values, index: tf.gather(values, index))


@tff.tensorflow.computation(np.str_)
def keys_of_client(text):
    parts = tf.strings.split([text], sep=",")[0]
    return tf.strings.to_number([parts[0], parts[1]], tf.int32)


@tff.tensorflow.computation(tff.SequenceType(np.str_))
def concatenate(values):
    def join(joined, value):
        return tf.cond(
            tf.math.equal(joined, ""),
            lambda: value,
            lambda: tf.strings.join([joined, value], ","),
        )

    return values.reduce("", join)


@tff.tensorflow.computation(tff.SequenceType(np.str_))
def last_element(values):
    return values.reduce("", lambda _, value: value)


@tff.tensorflow.computation(np.int32)
def random_key(max_key):
    return tf.random.uniform(shape=[1], minval=0, maxval=max_key, dtype=tf.int32)


@tff.federated_computation(
    tff.FederatedType(TEXTS, tff.SERVER), tff.FederatedType(np.str_, tff.CLIENTS)
)
def select_by_client_data(texts, client_data):
    keys = tff.federated_map(keys_of_client, client_data)
    max_key = tff.federated_map(get_size, texts)
    selected = tff.federated_select(keys, max_key, texts, select_fn)
    return tff.federated_map(concatenate, selected)


@tff.federated_computation(tff.FederatedType(TEXTS, tff.SERVER))
def select_at_random(texts):
    max_key = tff.federated_map(get_size, texts)
    keys = tff.federated_map(random_key, tff.federated_broadcast(max_key))
    selected = tff.federated_select(keys, max_key, texts, select_fn)
    return tff.federated_map(last_element, selected)


def test_types():
    assert str(keys_of_client.type_signature) == "(str -> int32[2])"
    assert str(concatenate.type_signature) == "(str* -> str)"
    signature = "(<texts=str[?]@SERVER,client_data={str}@CLIENTS> -> {str}@CLIENTS)"
    assert str(select_by_client_data.type_signature) == signature


@pytest.mark.usefixtures("engine")
def test_each_client_gets_what_its_data_asks_for():
    selected = select_by_client_data(["a", "b", "c"], ["0,1", "1,2", "2,0"])
    assert selected == [b"a,b", b"b,c", b"c,a"]


@pytest.fixture
def three_clients() -> Iterator[None]:
    before = contexts.current()
    tff.backends.native.set_sync_local_cpp_execution_context(default_num_clients=3)
    yield
    tff.framework.set_default_context(before)


@pytest.mark.usefixtures("three_clients")
def test_clients_that_have_no_data():
    texts = ["foo", "bar", "baz"]
    selected = select_at_random(tf.convert_to_tensor(texts))
    assert len(selected) == 3
    assert {each.decode() for each in selected} <= set(texts)
