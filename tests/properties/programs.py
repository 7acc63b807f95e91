"""Well-typed federated computations, generated: steps on values, each step with a type to fit.

A program starts with one value of every type at every placement that has it, so every step has
something to be applied to. The local computations are few and made once: what is generated is how
they are put together.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.core import portable
from tensorflow_federated.jax import portable_computation

INT = tff.TensorType(np.int32)
FLOAT = tff.TensorType(np.float32)
TEXT = tff.TensorType(np.str_)
VECTOR = tff.TensorType(np.float32, [2])
RECORD = tff.to_type(collections.OrderedDict(a=INT, b=(FLOAT, TEXT)))
NUMBERS = tff.SequenceType(INT)

MEMBERS = (INT, FLOAT, TEXT, VECTOR, RECORD, NUMBERS)


@tff.jax.computation(FLOAT)
def half(x):
    return x / 2


@tff.jax.computation(INT)
def increment(x):
    return x + 1


@tff.jax.computation(FLOAT)
def split(x):
    return jnp.stack([x, 1 - x])


@tff.jax.computation(VECTOR)
def length(x):
    return jnp.sum(jnp.abs(x))


@portable_computation(INT)
def to_float(x):
    return portable.namespace_of(x).cast(x, np.float32)


@portable_computation(FLOAT)
def to_int(x):
    xp = portable.namespace_of(x)
    return xp.cast(xp.clip(x, -100.0, 100.0), np.int32)


@portable_computation(INT, INT)
def add(x, y):
    return x + y


@portable_computation(FLOAT, FLOAT)
def combine(x, y):
    return x - y * 2


@portable_computation(FLOAT)
def positive(x):
    xp = portable.namespace_of(x)
    return xp.minimum(x * x, 9.0) + 1


@portable_computation(VECTOR, FLOAT)
def scale(x, y):
    return x * y


@portable_computation(FLOAT)
def keys_of(x):
    xp = portable.namespace_of(x)
    return xp.stack([xp.cast(xp.clip(xp.abs(x), 0.0, 4.0), np.int32) for _ in range(2)])


@portable_computation(FLOAT, np.int32)
def at_key(x, key):
    return x * portable.namespace_of(x, key).cast(key, np.float32)


@tff.federated_computation(FLOAT)
def halve_twice(x):
    return half(combine(half(x), x))


@tff.federated_computation(RECORD)
def swapped(record):
    return record.b, record.a


@tff.federated_computation(tff.FederatedType(FLOAT, tff.CLIENTS))
def mean_of_halves(values):
    return tff.federated_mean(tff.federated_map(half, values))


@tff.federated_computation(tff.FunctionType(FLOAT, FLOAT), tff.FederatedType(FLOAT, tff.CLIENTS))
def map_twice(fn, values):
    return tff.federated_map(fn, tff.federated_map(fn, values))


@dataclasses.dataclass(frozen=True)
class Rule:
    """One kind of step.

    Attributes:
      needs: the placement and the type of each value that it takes.
      apply: makes the new value.
    """

    needs: tuple[tuple[Any, tff.Type], ...]
    apply: Callable[..., tff.Value]


def at_clients(*types: tff.Type) -> Callable[[Callable[..., Any]], Rule]:
    return lambda apply: Rule(tuple((tff.CLIENTS, each) for each in types), apply)


def at_server(*types: tff.Type) -> Callable[[Callable[..., Any]], Rule]:
    return lambda apply: Rule(tuple((tff.SERVER, each) for each in types), apply)


def mapped(fn: Any) -> Callable[..., Any]:
    return lambda first, *more: tff.federated_map(fn, (first, *more) if more else first)


def secure(summed: Callable[[tff.Value], tff.Value]) -> Rule:
    return at_clients(FLOAT)(lambda x: summed(tff.federated_map(to_int, x)))


RULES: dict[str, Rule] = {
    "half": at_clients(FLOAT)(mapped(half)),
    "increment": at_clients(INT)(mapped(increment)),
    "split": at_clients(FLOAT)(mapped(split)),
    "length": at_clients(VECTOR)(mapped(length)),
    "to float": at_clients(INT)(mapped(to_float)),
    "to int": at_clients(FLOAT)(mapped(to_int)),
    "add": at_clients(INT, INT)(mapped(add)),
    "combine": at_clients(FLOAT, FLOAT)(mapped(combine)),
    "scale": at_clients(VECTOR, FLOAT)(mapped(scale)),
    "nested": at_clients(FLOAT)(mapped(halve_twice)),
    "identity": at_clients(RECORD)(mapped(lambda x: x)),
    "swap": at_clients(RECORD)(lambda x: mapped(swapped)(x)[1]),
    "record": at_clients(INT, FLOAT, TEXT)(
        lambda x, y, z: tff.federated_zip(collections.OrderedDict(a=x, b=(y, z)))
    ),
    "select by name": at_clients(RECORD)(lambda x: x.a),
    "select by position": at_clients(RECORD)(lambda x: x.b[0]),
    "select a text": at_clients(RECORD)(lambda x: x[1][1]),
    "eval": at_clients()(lambda: tff.federated_eval(lambda: half(3.0), tff.CLIENTS)),
    "value": at_clients()(lambda: tff.federated_value("everyone", tff.CLIENTS)),
    "sum of a sequence": at_clients(NUMBERS)(tff.sequence_sum),
    "map over a sequence": at_clients(NUMBERS)(mapped(lambda x: tff.sequence_map(increment, x))),
    "reduce a sequence": at_clients(NUMBERS)(
        mapped(lambda x: tff.sequence_reduce(x, np.int32(2), add))
    ),
    "function as a parameter": at_clients(FLOAT)(lambda x: map_twice(half, x)),
    "broadcast": at_server(FLOAT)(tff.federated_broadcast),
    "broadcast a text": at_server(TEXT)(tff.federated_broadcast),
    "map for all": at_server(FLOAT)(
        lambda x: tff.federated_map_all_equal(half, tff.federated_broadcast(x))
    ),
    "select from the server": Rule(
        ((tff.CLIENTS, FLOAT), (tff.SERVER, FLOAT)),
        lambda x, y: tff.sequence_sum(
            tff.federated_select(mapped(keys_of)(x), tff.federated_value(5, tff.SERVER), y, at_key)
        ),
    ),
    "sum": at_clients(FLOAT)(tff.federated_sum),
    "sum of ints": at_clients(INT)(lambda x: tff.federated_map(to_float, tff.federated_sum(x))),
    "sum of vectors": at_clients(VECTOR)(lambda x: mapped(length)(tff.federated_sum(x))),
    "sum of a structure": at_clients(INT, FLOAT)(
        lambda x, y: tff.federated_sum(tff.federated_zip((x, (y, y))))[1][0]
    ),
    "mean": at_clients(FLOAT)(tff.federated_mean),
    "weighted mean": at_clients(FLOAT, FLOAT)(
        lambda x, y: tff.federated_mean(x, mapped(positive)(y))
    ),
    "nested mean": at_clients(FLOAT)(mean_of_halves),
    "max": at_clients(FLOAT)(tff.federated_max),
    "min of ints": at_clients(INT)(lambda x: mapped(to_float)(tff.federated_min(x))),
    "aggregate": at_clients(INT)(
        lambda x: tff.federated_aggregate(x, np.int32(0), add, add, to_float)
    ),
    "reduce": at_clients(FLOAT)(lambda x: tff.federated_reduce(x, np.float32(1), combine)),
    "collect": at_clients(FLOAT)(lambda x: tff.sequence_sum(tff.federated_collect(x))),
    "collect texts": at_clients(TEXT)(tff.federated_collect),
    "secure sum": secure(lambda x: mapped(to_float)(tff.federated_secure_sum(x, np.int32(1000)))),
    "secure sum of bits": secure(
        lambda x: mapped(to_float)(tff.federated_secure_sum_bitwidth(x, 20))
    ),
    "secure modular sum": secure(
        lambda x: mapped(to_float)(tff.federated_secure_modular_sum(x, 17))
    ),
    "map at the server": at_server(FLOAT)(mapped(halve_twice)),
    "combine at the server": at_server(FLOAT, FLOAT)(mapped(combine)),
    "zip at the server": at_server(FLOAT, TEXT)(lambda x, y: tff.federated_zip((x, y))[0]),
    "eval at the server": at_server()(lambda: tff.federated_eval(lambda: half(5.0), tff.SERVER)),
    "value at the server": at_server()(lambda: tff.federated_value(-1.5, tff.SERVER)),
}


def tensorflow_rules() -> dict[str, Rule]:
    """Steps with TensorFlow computations; importing TensorFlow takes seconds."""
    import tensorflow as tf

    @tff.tensorflow.computation(TEXT, TEXT)
    def join(x, y):
        return tf.strings.join([x, y])

    @tff.tensorflow.computation(TEXT)
    def count_letters(x):
        return tf.strings.length(x)

    @tff.tensorflow.computation(NUMBERS)
    def evens(values):
        return values.filter(lambda x: x % 2 == 0)

    @tff.tensorflow.computation(NUMBERS)
    def total(values):
        found = tf.Variable(0)
        for value in values:
            found.assign_add(value)
        return found

    return {
        "join": at_clients(TEXT, TEXT)(mapped(join)),
        "count letters": at_clients(TEXT)(mapped(count_letters)),
        "evens": at_clients(NUMBERS)(mapped(evens)),
        "total": at_clients(NUMBERS)(mapped(total)),
        "join at the server": at_server(TEXT, TEXT)(mapped(join)),
    }


Step = tuple[str, int, int, int]
"""A rule, and for each value that it takes, which of those that fit."""

PARAMETERS = (
    *(tff.FederatedType(member, tff.CLIENTS) for member in MEMBERS),
    tff.FederatedType(FLOAT, tff.SERVER),
    tff.FederatedType(TEXT, tff.SERVER),
)


def steps(rules: dict[str, Rule], max_size: int = 8) -> st.SearchStrategy[list[Step]]:
    """Programs as lists of steps."""
    pick = st.integers(0, 5)
    return st.lists(st.tuples(st.sampled_from(sorted(rules)), pick, pick, pick), max_size=max_size)


def build(rules: dict[str, Rule], program: list[Step]) -> Any:
    """The computation that takes the steps and returns all values that they give."""

    def fn(*parameters: tff.Value) -> Any:
        values = list(parameters)
        for name, *picks in program:
            rule = rules[name]
            arguments = [
                _fitting(values, placement, member, pick)
                for (placement, member), pick in zip(rule.needs, picks, strict=False)
            ]
            values.append(rule.apply(*arguments))
        return tuple(values[len(parameters) :]) or values[-1]

    # The number of parameters has to be seen in the signature.
    names = [f"p{index}" for index in range(len(PARAMETERS))]
    packed = tff.federated_computation(
        lambda all_of_them: fn(*all_of_them),
        tff.StructType(list(zip(names, PARAMETERS, strict=True))),
    )
    return packed


def _fitting(values: list[tff.Value], placement: Any, member: tff.Type, pick: int) -> tff.Value:
    fitting = [
        value
        for value in values
        if value.type_signature.placement is placement
        and value.type_signature.member.is_equivalent_to(member)
    ]
    # The last ones first, so that programs grow deep rather than wide.
    return fitting[-1 - pick % len(fitting)]


SMALL = st.integers(-3, 3)
HALVES = SMALL.map(lambda number: number / 2)
WORDS = st.sampled_from(["", "a", "été", "a\0b"])
CLIENT = st.tuples(
    SMALL,
    HALVES,
    WORDS,
    st.lists(HALVES, min_size=2, max_size=2),
    st.tuples(SMALL, st.tuples(HALVES, WORDS)),
    st.lists(SMALL, max_size=3),
)


def arguments() -> st.SearchStrategy[list[Any]]:
    """The argument of a program: one to three clients, and the values at the server."""
    cohorts = st.lists(CLIENT, min_size=1, max_size=3)
    return st.tuples(cohorts, HALVES, WORDS).map(
        lambda drawn: [*map(list, zip(*drawn[0], strict=True)), drawn[1], drawn[2]]
    )
