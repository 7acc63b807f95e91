"""Two thousand byte strings that carry no computation, in a process whose memory is watched."""

from __future__ import annotations

import json
from typing import Any

import pytest

PROGRAM = """
import collections, json, random, resource, sys
import jax.numpy as jnp
import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from tensorflow_federated.core import byte_format, errors, portable
from tensorflow_federated.jax import portable_computation

@portable_computation(np.float32, np.float32)
def weigh(value, weight):
    xp = portable.namespace_of(value, weight)
    return xp.where(value > 0, value * weight, 0.5)

@tff.federated_computation(
    tff.FederatedType(np.float32, tff.CLIENTS), tff.FederatedType(np.float32, tff.SERVER)
)
def federated(values, scale):
    pairs = tff.federated_zip((values, tff.federated_broadcast(scale)))
    weighed = tff.federated_map(weigh, pairs)
    constants = tff.federated_value({"a": ("text", np.arange(5))}, tff.SERVER)
    return tff.federated_mean(weighed), tff.federated_sum(weighed), constants

@tff.jax.computation((np.float32, [None, 3]), np.int64)
def of_jax(x, count):
    return jnp.sum(x) * count, collections.OrderedDict(rows=x[:, 0])

@tff.tensorflow.computation(tff.SequenceType(np.float32), np.str_)
def of_tensorflow(values, text):
    total = tf.Variable(0.0)
    for value in values:
        total.assign_add(value)
    return total, tf.strings.join([text, "!"]), values.map(lambda x: x + 1)

COMPUTATIONS = federated, of_jax, of_tensorflow
draw = random.Random(0)
HEADER = 51
STARTS = (b"", byte_format.MAGIC, b"\\x80\\x05", b"PK\\x03\\x04", b"\\x1f\\x8b\\x08")

def anything():
    # Bytes of any origin: noise, another format, the start of ours.
    return draw.choice(STARTS) + draw.randbytes(draw.randrange(300))

def cut(data):
    return data[: draw.randrange(len(data))]

def flipped(data):
    damaged = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)

def inserted(data):
    place = draw.randrange(len(data))
    return data[:place] + draw.randbytes(draw.randint(1, 12)) + data[place:]

def enlarged(data):
    # A count or a length that promises far more than there is.
    place = draw.randrange(min(len(data), 2000))
    huge = draw.choice([b"\\xff" * 9 + b"\\x01", b"\\xff\\xff\\xff\\xff\\x0f", b"\\xff\\xff\\x7f"])
    return data[:place] + huge + data[place + 1 :]

def moved(data):
    source, target = (draw.randrange(len(data)) for _ in range(2))
    length = draw.randint(1, 60)
    return data[:target] + data[source : source + length] + data[target + length :]

CHANGES = (cut, flipped, inserted, enlarged, moved)

def resealed(change, data):
    return byte_format.seal(byte_format.COMPUTATION, change(data[HEADER:]))

def hostile_strings():
    good = [tff.framework.serialize_computation(each) for each in COMPUTATIONS]
    for _ in range(500):
        yield anything()
    for position in range(500):
        data = good[position % 3]
        yield draw.choice(CHANGES)(data)
    # From here on the digest is right, so that every reader has to look for itself.
    for _ in range(600):
        yield resealed(draw.choice(CHANGES), good[0])
    for position in range(400):
        yield resealed(draw.choice(CHANGES), good[1 + position % 2])

for each in COMPUTATIONS:
    tff.framework.deserialize_computation(tff.framework.serialize_computation(each))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes = collections.Counter()
for data in hostile_strings():
    try:
        # A change may leave a computation behind, be it another one.
        outcome = type(tff.framework.deserialize_computation(data)).__name__
    except Exception as error:
        outcome = type(error).__qualname__
    outcomes[outcome] += 1
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"outcomes": outcomes, "megabytes": (after - before) / 1024}))
"""


@pytest.mark.slow
def test_two_thousand_hostile_strings_are_refused_within_64_megabytes(run_python):
    found: dict[str, Any] = json.loads(run_python(PROGRAM).splitlines()[-1])
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == 2000
    assert set(outcomes) <= {"WireError", "ConcreteComputation"}
    assert outcomes["WireError"] > 1800
    assert found["megabytes"] < 64
