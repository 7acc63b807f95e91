"""What holds for every aggregation of metrics, whatever the finalizers are written in.

Source of types and numbers: TFF 0.87.
"""

from __future__ import annotations

import collections
import functools
import math
from typing import Any

import jax
import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import contexts

metrics: Any = tff.learning.metrics
OD = collections.OrderedDict

UNFINALIZED_TYPE = tff.to_type(OD(a=[np.float32, np.float32], b=np.int32))
UNFINALIZED = [OD(a=[1.0, 2.0], b=3), OD(a=[4.0, 3.0], b=5)]
NAN = math.nan


def ratio(x):
    return x[0] / x[1]


def same(x):
    return x


def all_at_once(unfinalized):
    return OD(a=unfinalized["a"][0] / unfinalized["a"][1], b=unfinalized["b"])


FINALIZERS: dict[str, Any] = {
    "plain functions": OD(a=ratio, b=same),
    "tf.function": OD(a=tf.function(ratio), b=tf.function(same)),
    "jax.jit": OD(a=jax.jit(ratio), b=jax.jit(same)),
    "computations": OD(a=tff.jax.computation(ratio), b=tff.tensorflow.computation(same)),
    "Keras metric": OD(a=metrics.create_keras_metric_finalizer(keras.metrics.Mean), b=same),
    "written in JAX": OD(a=lambda x: jax.numpy.divide(x[0], x[1]), b=same),
    "one function": all_at_once,
    "one function in JAX": jax.jit(all_at_once),
}
# What Keras makes of 0 / 0.
WITHOUT_EXAMPLES = {"Keras metric": 0.0}

QUICK = ("plain functions", "tf.function", "Keras metric", "one function in JAX")
# The engines agree on what they run: one row is enough for the slow one.
RUNS = [
    *(
        pytest.param("local", name, marks=() if name in QUICK else pytest.mark.slow)
        for name in FINALIZERS
    ),
    ("reference", "plain functions"),
]

METRICS_TYPE = "<a=float32,b=int32>"
CLIENTS_TYPE = "{<a=<float32,float32>,b=int32>}@CLIENTS"
SAMPLES_TYPE = "<a=float32[?],b=int32[?]>"
RESERVOIR_TYPE = f"<random_seed=int64[2],random_values=int32[?],samples={SAMPLES_TYPE}>"
CLIPPED_TYPE = "secure_upper_clipped_count=int32,secure_lower_clipped_count=int32"


def measured_type(dtype: str) -> str:
    bounds = f"secure_upper_threshold={dtype},secure_lower_threshold={dtype}"
    return f"<{CLIPPED_TYPE},{bounds}>"


FIXED_TYPE = (
    f"<0.0/1048575.0/float32={measured_type('float32')},0/1048575/int32={measured_type('int32')}>"
)
ESTIMATED = "None/default_estimation_process/float32"
ESTIMATED_TYPE = (
    f"<{ESTIMATED}={measured_type('float32')},0/1048575/int32={measured_type('int32')}>"
)
ESTIMATOR_TYPE = (
    f"<{ESTIMATED}=<<current_estimate=float32,target_quantile=float32,learning_rate=float32,"
    "below_estimate_state=<>>,<>>,0/1048575/int32=<>>"
)

COMPUTATIONS = {
    "sum_then_finalize": METRICS_TYPE,
    "secure_sum_then_finalize": f"<secure_sum_measurements={FIXED_TYPE},a=float32,b=int32>",
    "finalize_then_sample": SAMPLES_TYPE,
}


@functools.cache
def computation(name: str, finalizers: str) -> Any:
    return getattr(metrics, name)(FINALIZERS[finalizers], UNFINALIZED_TYPE)


def on_engine(name: str, computation: Any) -> Any:
    def call(*arguments: Any) -> Any:
        with context_stack.install(getattr(contexts, f"create_{name}_context")(seed=0)):
            return computation(*arguments)

    return call


def numbers(result: Any) -> dict[str, Any]:
    return {name: pytest.approx(np.asarray(result[name]), nan_ok=True) for name in ("a", "b")}


@pytest.mark.parametrize("finalizers", FINALIZERS)
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_the_type_of_a_computation(name, finalizers):
    signature = computation(name, finalizers).type_signature.compact_representation()
    assert signature == f"({CLIENTS_TYPE} -> {COMPUTATIONS[name]}@SERVER)"


@pytest.mark.parametrize(("engine_name", "finalizers"), RUNS)
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_the_numbers_of_a_computation(name, engine_name, finalizers):
    aggregate = on_engine(engine_name, computation(name, finalizers))
    nothing = WITHOUT_EXAMPLES.get(finalizers, NAN)
    if name == "finalize_then_sample":
        assert numbers(aggregate(UNFINALIZED)) == {"a": [0.5, 4 / 3], "b": [3, 5]}
        assert numbers(aggregate(UNFINALIZED[:1])) == {"a": [0.5], "b": [3]}
        assert numbers(aggregate([])) == {"a": np.zeros([0]), "b": np.zeros([0])}
        assert numbers(aggregate([OD(a=[NAN, 1.0], b=1)])) == {"a": [NAN], "b": [1]}
    else:
        assert numbers(aggregate(UNFINALIZED)) == {"a": 1.0, "b": 8}
        assert numbers(aggregate(UNFINALIZED[:1])) == {"a": 0.5, "b": 3}
        assert numbers(aggregate([])) == {"a": nothing, "b": 0}
    if name == "sum_then_finalize":
        assert numbers(aggregate([OD(a=[NAN, 1.0], b=1), *UNFINALIZED])) == {"a": NAN, "b": 9}


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_without_a_type_it_takes_what_fits(name):
    aggregate = getattr(metrics, name)(FINALIZERS["plain functions"])
    outer = tff.federated_computation(
        lambda unfinalized: aggregate(unfinalized), tff.FederatedType(UNFINALIZED_TYPE, tff.CLIENTS)
    )
    assert outer.type_signature.compact_representation() == (
        f"({CLIENTS_TYPE} -> {COMPUTATIONS[name]}@SERVER)"
    )


def summing(finalizers: Any) -> Any:
    return metrics.SumThenFinalizeFactory(finalizers).create(UNFINALIZED_TYPE)


def summing_securely(finalizers: Any) -> Any:
    factory = metrics.SumThenFinalizeFactory(
        finalizers, inner_summation_factory=metrics.SecureSumFactory()
    )
    return factory.create(UNFINALIZED_TYPE)


def sampling(finalizers: Any) -> Any:
    return metrics.FinalizeThenSampleFactory(4).create(finalizers, UNFINALIZED_TYPE)


SUM_TYPE = "<a=<float32,float32>,b=int32>"


def process_type(state: str, argument: str, result: str, measurements: str) -> str:
    return (
        f"(<state={state}@SERVER,{argument}={CLIENTS_TYPE}> -> <state={state}@SERVER,"
        f"result=<{result},{result}>@SERVER,measurements={measurements}@SERVER>)"
    )


PROCESSES = {
    summing: process_type(f"<<>,{SUM_TYPE}>", "unfinalized_metrics", METRICS_TYPE, "<>"),
    summing_securely: process_type(
        f"<{ESTIMATOR_TYPE},{SUM_TYPE}>", "unfinalized_metrics", METRICS_TYPE, ESTIMATED_TYPE
    ),
    sampling: process_type(
        RESERVOIR_TYPE, "client_unfinalized_metrics", SAMPLES_TYPE, "<a=int64,b=int64>"
    ),
}


@functools.cache
def process(build: Any, finalizers: str) -> Any:
    return build(FINALIZERS[finalizers])


@pytest.mark.parametrize("finalizers", FINALIZERS)
@pytest.mark.parametrize("build", PROCESSES)
def test_the_type_of_a_process(build, finalizers):
    built = process(build, finalizers)
    assert built.next.type_signature.compact_representation() == PROCESSES[build]


@pytest.mark.parametrize(("engine_name", "finalizers"), RUNS)
@pytest.mark.parametrize("build", PROCESSES)
def test_the_numbers_of_several_rounds(build, engine_name, finalizers):
    built = process(build, finalizers)
    nothing = WITHOUT_EXAMPLES.get(finalizers, NAN)
    state = built.initialize()
    found = []
    for unfinalized in (UNFINALIZED, [], UNFINALIZED[:1]):
        output = on_engine(engine_name, built.next)(state, unfinalized)
        state = output.state
        found.append([numbers(result) for result in output.result])
    if build is sampling:
        empty = {"a": np.zeros([0]), "b": np.zeros([0])}
        two = {"a": [0.5, 4 / 3], "b": [3, 5]}
        three = {"a": [0.5, 4 / 3, 0.5], "b": [3, 5, 3]}
        assert found == [[two, two], [empty, two], [{"a": [0.5], "b": [3]}, three]]
    else:
        assert found == [
            [{"a": 1.0, "b": 8}, {"a": 1.0, "b": 8}],
            [{"a": nothing, "b": 0}, {"a": 1.0, "b": 8}],
            [{"a": 0.5, "b": 3}, {"a": 6 / 7, "b": 11}],
        ]
