"""`MergeableCompForm`: what fits, and what does not; computations that are compiled to it."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import traversal

compile_to_mergeable_comp_form = tff.backends.native.compile_to_mergeable_comp_form

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.federated_computation(AT_CLIENTS)
def total(values):
    return tff.federated_sum(values)


@tff.federated_computation(AT_CLIENTS, AT_SERVER)
def second(values, merged):
    del values
    return merged


@tff.federated_computation(AT_CLIENTS)
def same(values):
    return values


@tff.federated_computation(AT_CLIENTS, AT_SERVER)
def sum_again(values, merged):
    return merged, tff.federated_sum(values)


def parts() -> dict[str, Any]:
    return {"up_to_merge": total, "merge": add, "after_merge": second}


def test_a_form_keeps_its_parts():
    form = tff.framework.MergeableCompForm(**parts())
    assert (form.up_to_merge, form.merge, form.after_merge) == (total, add, second)


BROKEN: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "a part is no computation": ({"merge": lambda x, y: x + y}, TypeError),
    "up_to_merge does not aggregate": ({"up_to_merge": same}, TypeError),
    "merge takes other values": (
        {"merge": tff.jax.computation(lambda x, y: x, np.float32, np.float32)},
        TypeError,
    ),
    "merge takes one value": ({"merge": tff.jax.computation(lambda x: x, np.int32)}, TypeError),
    "merge returns another value": (
        {"merge": tff.jax.computation(lambda x, y: x * 1.0, np.int32, np.int32)},
        TypeError,
    ),
    "after_merge does not take what was merged": ({"after_merge": total}, TypeError),
    "after_merge takes nothing": (
        {"after_merge": tff.federated_computation(lambda: tff.federated_value(1, tff.SERVER))},
        TypeError,
    ),
    "after_merge aggregates": ({"after_merge": sum_again}, ValueError),
}


@pytest.mark.parametrize("law", BROKEN)
def test_parts_that_do_not_fit_are_refused(law, golden):
    changed, cls = BROKEN[law]
    with pytest.raises(cls) as raised:
        tff.framework.MergeableCompForm(**{**parts(), **changed})
    golden.check(law, f"{type(raised.value).__qualname__}: {raised.value}")


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def several(state, values):
    sent = tff.federated_map(add, (values, tff.federated_broadcast(state)))
    largest = tff.federated_max(sent)
    mean = tff.federated_mean(
        tff.federated_map(tff.jax.computation(lambda x: x / 2, np.int32), sent)
    )
    return collections.OrderedDict(
        largest=largest,
        mean=mean,
        total=tff.federated_sum(values),
        told=tff.federated_map(add, (values, tff.federated_broadcast(largest))),
    )


@tff.federated_computation
def ones():
    return tff.federated_sum(tff.federated_value(1, tff.CLIENTS))


@tff.federated_computation(AT_CLIENTS)
def no_aggregation(values):
    return tff.federated_map(tff.jax.computation(lambda x: x + 1, np.int32), values)


COMPILED = {
    "several aggregations": several,
    "no argument": ones,
    "no aggregation": no_aggregation,
    "local": add,
    "unknown sizes": tff.federated_computation(
        tff.federated_sum, tff.FederatedType((np.float32, [None]), tff.CLIENTS)
    ),
}


@pytest.mark.parametrize("name", COMPILED)
def test_a_computation_is_cut_at_its_aggregations(name, golden):
    form = compile_to_mergeable_comp_form(COMPILED[name])
    lines = [
        f"{part}: {getattr(form, part).type_signature}"
        for part in ("up_to_merge", "merge", "after_merge")
    ]
    golden.check(f"compiled: {name}", "\n".join(lines))


@pytest.mark.parametrize("name", COMPILED)
def test_every_part_is_well_formed(name):
    form = compile_to_mergeable_comp_form(COMPILED[name])
    for part in (form.up_to_merge, form.merge, form.after_merge):
        traversal.check_ir(part.to_building_block(), unique_names=True)


@pytest.mark.parametrize("name", COMPILED)
def test_the_result_has_the_type_of_the_computation(name):
    form = compile_to_mergeable_comp_form(COMPILED[name])
    expected = COMPILED[name].type_signature.result
    assert form.after_merge.type_signature.result.is_identical_to(expected)


def test_parts_of_the_cohort_by_hand(engine):
    form = compile_to_mergeable_comp_form(several)
    state, cohort = 10, [[1, 2], [7], [], [4]]
    partial = [form.up_to_merge(state, values) for values in cohort]
    merged = partial[0]
    for each in partial[1:]:
        merged = form.merge(merged, each)
    together = [value for values in cohort for value in values]
    assert form.after_merge((state, together), merged) == several(state, together)


@tff.federated_computation(AT_CLIENTS)
def sum_of_sum(values):
    sent = tff.federated_broadcast(tff.federated_max(values))
    return tff.federated_sum(tff.federated_map(add, (values, sent)))


@tff.federated_computation(AT_CLIENTS)
def secure(values):
    return tff.federated_secure_sum(values, 10)


REFUSED = {
    "dependent aggregations": (sum_of_sum, ValueError),
    "secure sum": (secure, ValueError),
    "no computation": (lambda values: values, TypeError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_merged_is_refused(name, golden):
    computation, cls = REFUSED[name]
    with pytest.raises(cls) as raised:
        compile_to_mergeable_comp_form(computation)
    golden.check(f"refused: {name}", f"{type(raised.value).__qualname__}: {raised.value}")
