"""Samples of clients' metrics."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

metrics: Any = tff.learning.metrics
OD = collections.OrderedDict
COUNT_TYPE = tff.to_type(OD(count=np.int32))
COUNTS = [OD(count=i) for i in range(40)]


def same(x):
    return x


@pytest.fixture(scope="module")
def aggregate() -> Any:
    return metrics.finalize_then_sample(OD(count=same), COUNT_TYPE, sample_size=5)


@pytest.fixture(scope="module")
def process() -> Any:
    return metrics.FinalizeThenSampleFactory(3).create(OD(count=same), COUNT_TYPE)


def drawn(aggregate: Any, engine: str, seed: int) -> list[int]:
    with context_stack.install(getattr(contexts, f"create_{engine}_context")(seed=seed)):
        return aggregate(COUNTS)["count"].tolist()


def test_the_sample_follows_from_the_seed_on_every_engine(aggregate):
    sample = drawn(aggregate, "local", 7)
    assert sample == drawn(aggregate, "local", 7) == drawn(aggregate, "reference", 7)
    assert sample != drawn(aggregate, "local", 8)


def test_a_sample_is_of_distinct_clients_in_their_order(aggregate):
    sample = drawn(aggregate, "local", 7)
    assert len(sample) == 5
    assert sample == sorted(set(sample))


def test_every_client_is_drawn_equally_often(aggregate):
    with context_stack.install(contexts.create_local_context(seed=0)):
        found = np.concatenate([aggregate(COUNTS[:10])["count"] for _ in range(40)])
    # Each of ten clients is drawn 20 times on average, with a standard deviation of 3.2.
    counts = np.bincount(found, minlength=10)
    assert counts.sum() == 200
    assert counts.min() >= 8
    assert counts.max() <= 32


@pytest.mark.usefixtures("engine")
def test_the_sample_of_all_rounds_has_the_largest_numbers(process):
    state = process.initialize()
    offered: list[tuple[int, int]] = []
    kept: dict[int, int] = {}
    for number in range(4):
        output = process.next(state, [OD(count=10 * number), OD(count=10 * number + 1)])
        this_round = output.result[0]["count"].tolist()
        assert this_round == [10 * number, 10 * number + 1]
        total = output.result[1]["count"].tolist()
        kept = dict(zip(total, output.state["random_values"], strict=True))
        offered += [(kept[count], count) for count in this_round if count in kept]
        assert set(kept) <= {count for _, count in offered}
        state = output.state
    assert sorted(kept) == sorted(count for _, count in sorted(offered)[-3:])


def test_the_first_state_is_an_empty_sample(process):
    # Source: TFF 0.87.
    state = process.initialize()
    assert state["random_seed"].tolist() == [-1, -1]
    assert state["random_values"].tolist() == []
    assert state["samples"]["count"].dtype == np.int32
    assert state["samples"]["count"].shape == (0,)


@pytest.mark.usefixtures("engine")
def test_clients_with_non_finite_metrics_are_counted():
    # Source: TFF 0.87.
    unfinalized_type = tff.to_type(OD(a=(np.float32, [2]), s=np.int32))
    finalizers = OD(a=same, s=tf.strings.as_string)
    process = metrics.FinalizeThenSampleFactory().create(finalizers, unfinalized_type)
    assert process.next.type_signature.result[1].compact_representation() == (
        "<<a=float32[?,2],s=str[?]>,<a=float32[?,2],s=str[?]>>@SERVER"
    )
    clients = [OD(a=[1.0, math.nan], s=3), OD(a=[math.inf, math.nan], s=4), OD(a=[0.0, 1.0], s=5)]
    output = process.next(process.initialize(), clients)
    assert output.measurements == {"a": 2, "s": 0}
    assert output.result[0]["s"].tolist() == [b"3", b"4", b"5"]
    np.testing.assert_array_equal(output.result[0]["a"], [client["a"] for client in clients])


def test_a_model_without_metrics_has_an_empty_sample():
    process = metrics.FinalizeThenSampleFactory().create(OD(), tff.to_type(OD()))
    assert process.next(process.initialize(), [OD(), OD()]).result == (OD(), OD())


def test_one_function_may_give_any_structure():
    # Source: TFF 0.87.
    aggregate = metrics.finalize_then_sample(lambda u: [u["count"], u["count"] + 1], COUNT_TYPE)
    assert aggregate.type_signature.result.compact_representation() == "<int32[?],int32[?]>@SERVER"


WRONG = {
    "no clients": (lambda: metrics.FinalizeThenSampleFactory(0), ValueError),
    "half a client": (lambda: metrics.finalize_then_sample(OD(), None, 1.5), TypeError),
    "finalizers are a list": (
        lambda: metrics.FinalizeThenSampleFactory().create([same], COUNT_TYPE),
        TypeError,
    ),
    "finalizers are a dict": (lambda: metrics.finalize_then_sample({"count": same}), TypeError),
    "a name is a number": (lambda: metrics.finalize_then_sample(OD([(1, same)])), TypeError),
    "names differ": (
        lambda: metrics.FinalizeThenSampleFactory().create(OD(other=same), COUNT_TYPE),
        ValueError,
    ),
    "no struct": (lambda: metrics.finalize_then_sample(OD(), tff.to_type(np.int32)), TypeError),
    "unknown shape": (
        lambda: metrics.finalize_then_sample(
            OD(a=same), tff.to_type(OD(a=tff.TensorType(np.float32, [None])))
        ),
        TypeError,
    ),
}


@pytest.mark.parametrize(("make", "builtin"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_sampled(make, builtin, golden, request):
    with pytest.raises(builtin) as caught:
        make()
    golden.check(request.node.name, str(caught.value))
