"""Rounds that Hypothesis draws: programs of a state and of the clients' data, of every shape."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import tensorflow_federated as tff
from tensorflow_federated.core import portable
from tensorflow_federated.jax import portable_computation

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
STATES = [
    AT_SERVER,
    tff.FederatedType(collections.OrderedDict(a=np.int32, b=np.int32), tff.SERVER),
    tff.FederatedType((np.int32, [np.int32]), tff.SERVER),
]
DATA = [
    tff.FederatedType(np.int32, tff.CLIENTS),
    tff.FederatedType(collections.OrderedDict(x=np.int32, y=np.int32), tff.CLIENTS),
    tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True),
]


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


@portable_computation(np.int32, np.int32)
def larger(x, y):
    return portable.namespace_of(x, y).maximum(x, y)


@portable_computation(np.int32)
def next_number(x):
    return x + 1


@portable_computation(np.int32)
def negated(x):
    return -x


@portable_computation(np.int32)
def non_negative(x):
    return portable.namespace_of(x).abs(x)


@portable_computation(np.int32)
def to_float(x):
    return portable.namespace_of(x).cast(x, np.float32)


@portable_computation
def seven():
    return np.int32(7)


@portable_computation
def lowest():
    return np.int32(-(2**31))


def _fold(x: tff.Value) -> tff.Value:
    return tff.federated_aggregate(x, lowest(), larger, larger, negated)


def _constant_fold(x: tff.Value) -> tff.Value:
    return tff.federated_aggregate(x, np.int32(0), add, add, next_number)


_AGGREGATIONS = {
    "sum": tff.federated_sum,
    "fold": _fold,
    "fold from a constant": _constant_fold,
    "max": tff.federated_max,
    "min": tff.federated_min,
    "mean": lambda x: tff.federated_mean(tff.federated_map(to_float, x)),
    "weighted mean": lambda x: tff.federated_mean(
        tff.federated_map(to_float, x), tff.federated_map(non_negative, x)
    ),
    "sum of pairs": lambda x: tff.federated_sum(tff.federated_zip((x, x))),
}
_SECURE_AGGREGATIONS = {
    "secure sum": lambda x: tff.federated_secure_sum(x, 2**31 - 1),
    "secure sum of pairs": lambda x: tff.federated_secure_sum(
        tff.federated_zip(collections.OrderedDict(a=x, b=x)), 2**31 - 1
    ),
    "secure sum by width": lambda x: tff.federated_secure_sum_bitwidth(x, 31),
    "secure modular sum": lambda x: tff.federated_secure_modular_sum(x, 10),
}

Draw = Callable[..., Any]


class _Writer:
    """Writes one program: it knows the int32 values that are there so far, at both places."""

    def __init__(self, draw: Draw, aggregations: dict[str, Any]) -> None:
        self._draw = draw
        self._aggregations = aggregations

    def write(self, state: tff.Value, data: tff.Value) -> tuple[Any, Any]:
        server = [*_leaves(state), *self._constants(tff.SERVER)]
        server += self._maps(server)
        sent = self._draw(st.lists(st.sampled_from(server), max_size=2), label="broadcast")
        clients = [*_leaves(data), *(tff.federated_broadcast(each) for each in sent)]
        clients += self._constants(tff.CLIENTS)
        clients += self._maps(clients)
        names = self._draw(
            st.lists(st.sampled_from(sorted(self._aggregations)), max_size=3), label="aggregate"
        )
        totals = []
        for name in names:
            value = self._draw(st.sampled_from(clients), label=name)
            if name.startswith("secure"):
                value = tff.federated_map(non_negative, value)
            totals.append(self._aggregations[name](value))
        server += [each for each in totals if each.type_signature == AT_SERVER]
        server += self._maps(server)
        outputs = [*totals, self._draw(st.sampled_from(server), label="output")]
        return self._state_like(state, server), self._packed(outputs)

    def _constants(self, placement: Any) -> list[tff.Value]:
        made = [
            lambda: tff.federated_value(np.int32(3), placement),
            lambda: tff.federated_value(seven(), placement),
            lambda: tff.federated_eval(seven, placement),
        ]
        return [each() for each in self._draw(st.lists(st.sampled_from(made), max_size=2))]

    def _maps(self, values: list[tff.Value]) -> list[tff.Value]:
        results = []
        for function in self._draw(
            st.lists(st.sampled_from([next_number, negated, add, larger]), max_size=3)
        ):
            known = st.sampled_from([*values, *results])
            if function in (add, larger):
                results.append(tff.federated_map(function, (self._draw(known), self._draw(known))))
            else:
                results.append(tff.federated_map(function, self._draw(known)))
        return results

    def _state_like(self, state: tff.Value, server: list[tff.Value]) -> Any:
        if self._draw(st.booleans(), label="same state"):
            return state
        count = len(_leaves(state))
        first, *others = [self._draw(st.sampled_from(server)) for _ in range(count)]
        member = state.type_signature.member
        if count == 1:
            return first
        if "a" in str(member):
            return tff.federated_zip(collections.OrderedDict(a=first, b=others[0]))
        return tff.federated_zip((first, others))

    def _packed(self, outputs: list[tff.Value]) -> Any:
        named = collections.OrderedDict((f"o{i}", each) for i, each in enumerate(outputs))
        forms = [
            lambda: outputs[-1],
            lambda: named,
            lambda: tuple(outputs),
            lambda: tff.federated_zip(named),
            lambda: {"inner": tuple(outputs)},
        ]
        return self._draw(st.sampled_from(forms), label="form of the output")()


def _leaves(value: tff.Value) -> list[tff.Value]:
    if value.type_signature.member == tff.TensorType(np.int32):
        return [value]
    return [leaf for element in value for leaf in _leaves(element)]


def _draw_round(draw: Draw, *, secure: bool) -> tff.Computation:
    """A round; some of its aggregations are secure ones if `secure`."""
    aggregations = {**_AGGREGATIONS, **(_SECURE_AGGREGATIONS if secure else {})}
    writer = _Writer(draw, aggregations)
    state_type = draw(st.sampled_from(STATES), label="state")
    data_type = draw(st.sampled_from(DATA), label="data")
    return tff.federated_computation(writer.write, state_type, data_type)


def _draw_value(draw: Draw, type_signature: tff.Type, client_count: int) -> Any:
    """A value of a type in which all tensors are small integers."""
    if isinstance(type_signature, tff.FederatedType):
        if type_signature.placement is tff.CLIENTS and not type_signature.all_equal:
            return [_draw_value(draw, type_signature.member, 0) for _ in range(client_count)]
        return _draw_value(draw, type_signature.member, 0)
    if isinstance(type_signature, tff.StructType):
        elements = [(name, _draw_value(draw, each, 0)) for name, each in type_signature.items()]
        named = all(name is not None for name, _ in elements)
        return dict(elements) if named else tuple(value for _, value in elements)
    return draw(st.integers(-9, 9))


@pytest.fixture(scope="session")
def draw_round() -> Callable[..., tff.Computation]:
    """Draws a round: `draw_round(data.draw, secure=...)`."""
    return _draw_round


@pytest.fixture(scope="session")
def draw_value() -> Callable[..., Any]:
    """Draws a value: `draw_value(data.draw, type_signature, client_count)`."""
    return _draw_value
