"""`MapReduceForm`, put together by hand: what fits, what does not, and how it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
TYPE = tff.FunctionType(
    [("state", AT_SERVER), ("data", tff.FederatedType(np.float32, tff.CLIENTS))],
    (AT_SERVER, tff.FederatedType(np.float32, tff.SERVER)),
)


def local(fn: Any, *types: Any) -> tff.Computation:
    return tff.jax.computation(fn, *types)


def parts() -> dict[str, Any]:
    """The parts of a round that sums what the clients have, scaled, and counts the rounds."""
    pair = (np.float32, np.float32)
    return {
        "type_signature": TYPE,
        "prepare": local(lambda state: (state + 1) * 1.0, np.int32),
        "work": local(lambda x, scale: (x * scale, (), (), ()), np.float32, np.float32),
        "zero": local(lambda: np.float32(0)),
        "accumulate": local(lambda total, x: total + x, *pair),
        "merge": local(lambda x, y: x + y, *pair),
        "report": local(lambda total: total / 2, np.float32),
        "secure_sum_bitwidth": local(lambda: ()),
        "secure_sum_max_input": local(lambda: ()),
        "secure_modular_sum_modulus": local(lambda: ()),
        "update": local(
            lambda state, totals: (state + 1, totals[0]), np.int32, [np.float32, [], [], []]
        ),
    }


def test_the_parts_make_up_a_computation(engine):
    round_of = mapreduce.get_computation_for_map_reduce_form(mapreduce.MapReduceForm(**parts()))
    assert str(round_of.type_signature) == str(TYPE)
    assert round_of(2, [1.0, 3.0]) == (3, 6.0)


def test_the_parts_can_be_called(engine):
    form = mapreduce.MapReduceForm(**parts())
    sent = form.prepare(2)
    totals = [form.accumulate(form.zero(), form.work(x, sent)[0]) for x in [1.0, 3.0]]
    assert form.update(2, (form.report(form.merge(*totals)), (), (), ())) == (3, 6.0)


def test_a_form_keeps_its_parts():
    given = parts()
    form = mapreduce.MapReduceForm(**given)
    assert {name: getattr(form, name) for name in given} == given


def test_a_form_is_typed():
    form = mapreduce.MapReduceForm(**parts())
    assert isinstance(form, tff.TypedObject)
    assert (form.server_state_label, form.client_data_label) == ("state", "data")


def test_a_form_of_the_parts_of_another_is_equal_to_it(engine):
    first = mapreduce.get_computation_for_map_reduce_form(mapreduce.MapReduceForm(**parts()))
    second = mapreduce.get_computation_for_map_reduce_form(
        mapreduce.get_map_reduce_form_for_computation(first)
    )
    assert second(2, [1.0, 3.0]) == first(2, [1.0, 3.0])


def test_the_summary_has_a_line_for_each_part(golden):
    lines: list[str] = []
    mapreduce.MapReduceForm(**parts()).summary(lines.append)
    golden.check("summary", "\n".join(lines))


@tff.federated_computation(AT_SERVER)
def federated(x):
    return x


@tff.federated_computation(np.int32)
def with_a_placement_inside(x):
    del x
    return tff.federated_value(1, tff.SERVER)


BROKEN: dict[str, dict[str, Any]] = {
    "a part is no computation": {"prepare": lambda state: state},
    "a part is federated": {"prepare": federated},
    "a part places a value": {"prepare": with_a_placement_inside},
    "work takes one argument": {"work": local(lambda x: (x, (), (), ()), np.float32)},
    "work returns one value": {"work": local(lambda x, s: x, np.float32, np.float32)},
    "work takes another context": {
        "work": local(lambda x, s: (x, (), (), ()), np.float32, np.int32)
    },
    "work takes other data": {"work": local(lambda x, s: (s, (), (), ()), np.int32, np.float32)},
    "zero is of another type": {"zero": local(lambda: np.int32(0))},
    "accumulate takes another update": {
        "accumulate": local(lambda total, x: total, np.float32, np.int32)
    },
    "accumulate takes three": {
        "accumulate": local(lambda x, y, z: x, np.float32, np.float32, np.float32)
    },
    "merge takes one": {"merge": local(lambda x: x, [np.float32])},
    "merge takes other accumulators": {"merge": local(lambda x, y: x, np.int32, np.int32)},
    "report takes another accumulator": {"report": local(lambda x: x, np.int32)},
    "update takes other totals": {
        "update": local(lambda s, t: (s, t[0]), np.int32, [np.int32, [], [], []])
    },
    "update returns one value": {
        "update": local(lambda s, t: s, np.int32, [np.float32, [], [], []])
    },
    "update returns another state": {
        "update": local(lambda s, t: (s * 1.0, t[0]), np.int32, [np.float32, [], [], []])
    },
    "several at once": {
        "zero": local(lambda: np.int32(0)),
        "report": local(lambda x: x, np.int32),
    },
}
_TWO_PARAMETERS = ("accumulate takes three", "merge takes one")


@pytest.mark.parametrize("law", BROKEN)
def test_parts_that_do_not_fit_are_refused(law, golden):
    cls = ValueError if law in _TWO_PARAMETERS else TypeError
    with pytest.raises(cls) as raised:
        mapreduce.MapReduceForm(**{**parts(), **BROKEN[law]})
    golden.check(law, f"{type(raised.value).__qualname__}: {raised.value}")
