"""`tff.learning.metrics.sum_then_finalize`."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

sum_then_finalize: Any = tff.learning.metrics.sum_then_finalize

FINALIZERS = collections.OrderedDict(
    a=tf.function(lambda x: x[0] / x[1]),
    b=tf.function(lambda x: x),
)
UNFINALIZED_TYPE = tff.to_type(collections.OrderedDict(a=[np.float32, np.float32], b=np.int32))
UNFINALIZED = [
    collections.OrderedDict(a=[1.0, 2.0], b=3),
    collections.OrderedDict(a=[4.0, 3.0], b=5),
]


def test_sums_are_finalized():
    # Source: TFF 0.87, the case `sum_then_finalize_plain`.
    aggregate = sum_then_finalize(FINALIZERS, UNFINALIZED_TYPE)
    assert aggregate(UNFINALIZED) == collections.OrderedDict(a=1.0, b=8)


def test_the_type_signature_is_that_of_tff():
    aggregate = sum_then_finalize(FINALIZERS, UNFINALIZED_TYPE)
    assert aggregate.type_signature.compact_representation() == (
        "({<a=<float32,float32>,b=int32>}@CLIENTS -> <a=float32,b=int32>@SERVER)"
    )


def test_without_a_type_it_takes_what_fits():
    clients_type = tff.FederatedType(UNFINALIZED_TYPE, tff.CLIENTS)
    aggregate = tff.federated_computation(lambda x: sum_then_finalize(FINALIZERS)(x), clients_type)
    assert aggregate(UNFINALIZED) == collections.OrderedDict(a=1.0, b=8)


def test_one_function_may_finalize_all_metrics():
    aggregate = sum_then_finalize(
        lambda unfinalized: collections.OrderedDict(
            mean=unfinalized["a"][0] / unfinalized["a"][1], twice=2 * unfinalized["b"]
        ),
        UNFINALIZED_TYPE,
    )
    assert aggregate(UNFINALIZED) == collections.OrderedDict(mean=1.0, twice=16)


def test_zero_by_zero_is_nan():
    aggregate = sum_then_finalize(FINALIZERS, UNFINALIZED_TYPE)
    assert math.isnan(aggregate([collections.OrderedDict(a=[0.0, 0.0], b=0)])["a"])


def test_a_model_without_metrics_reports_none():
    aggregate = sum_then_finalize(collections.OrderedDict(), tff.to_type(collections.OrderedDict()))
    assert aggregate([collections.OrderedDict()] * 2) == collections.OrderedDict()


@pytest.mark.parametrize(
    ("name", "finalizers", "unfinalized_type"),
    [
        ("finalizers are a number", 3, UNFINALIZED_TYPE),
        ("a finalizer is a number", collections.OrderedDict(a=3, b=FINALIZERS["b"]), None),
        ("the type is a number", FINALIZERS, 3),
        ("the type has no names", FINALIZERS, tff.to_type([np.float32, np.int32])),
        (
            "names differ",
            FINALIZERS,
            tff.to_type(collections.OrderedDict(a=[np.float32, np.float32], c=np.int32)),
        ),
    ],
)
def test_what_does_not_fit_is_refused(name, finalizers, unfinalized_type, golden):
    with pytest.raises(TypeError, match="metric") as raised:
        sum_then_finalize(finalizers, unfinalized_type)
    golden.check(name, str(raised.value))
