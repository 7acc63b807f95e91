"""`tff.learning.metrics.create_functional_metric_fns`."""

from __future__ import annotations

import collections
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff

create = tff.learning.metrics.create_functional_metric_fns
LABELS = np.array([[1.0], [0.5], [0.0], [2.0]], np.float32)
OUTPUT = tff.learning.models.BatchOutput(predictions=LABELS + 1.0)


def error_and_count() -> collections.OrderedDict[str, Any]:
    return collections.OrderedDict(
        error=keras.metrics.MeanSquaredError(), n=tff.learning.metrics.NumExamplesCounter()
    )


CONSTRUCTORS = {
    "a function that makes several": error_and_count,
    "a dict of functions": collections.OrderedDict(
        error=keras.metrics.MeanSquaredError, n=tff.learning.metrics.NumExamplesCounter
    ),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_several_metrics_have_names(constructor):
    initialize, update, finalize = create(constructor)
    state = update(update(initialize(), LABELS, OUTPUT), LABELS, OUTPUT)
    assert [float(value) for value in state["error"]] == [8.0, 8.0]
    assert [int(value) for value in state["n"]] == [8]
    finalized = finalize(state)
    assert list(finalized) == ["error", "n"]
    assert float(finalized["error"]) == 1.0
    assert int(finalized["n"]) == 8


def test_one_metric_has_no_name():
    initialize, update, finalize = create(keras.metrics.MeanSquaredError)
    state = update(initialize(), LABELS, OUTPUT)
    assert [float(value) for value in state] == [4.0, 4.0]
    assert float(finalize(state)) == 1.0


def test_a_state_is_not_changed():
    initialize, update, _ = create(keras.metrics.MeanSquaredError)
    start = initialize()
    update(start, LABELS, OUTPUT)
    assert [float(value) for value in start] == [0.0, 0.0]


@pytest.mark.usefixtures("engine")
def test_they_work_in_a_computation():
    initialize, update, finalize = create(error_and_count)

    @tff.tensorflow.computation(tff.TensorType(np.float32, [None, 1]))
    def evaluate(labels):
        output = tff.learning.models.BatchOutput(predictions=labels + 2.0)
        return finalize(update(initialize(), labels, output))

    assert float(evaluate(LABELS)["error"]) == 4.0


def test_they_can_be_made_inside_a_computation():
    @tff.tensorflow.computation(tff.TensorType(np.float32, [None, 1]))
    def evaluate(labels):
        initialize, update, finalize = create(error_and_count)
        output = tff.learning.models.BatchOutput(predictions=labels + 2.0)
        return finalize(update(initialize(), labels, output))

    assert float(evaluate(LABELS)["error"]) == 4.0


WRONG = {
    "number": 3,
    "instance": keras.metrics.MeanSquaredError(),
    "makes no metric": lambda: 3,
    "dict of instances": collections.OrderedDict(error=keras.metrics.MeanSquaredError()),
    "dict that makes no metric": collections.OrderedDict(error=lambda: 3),
    "names are numbers": collections.OrderedDict([(1, keras.metrics.MeanSquaredError)]),
}


@pytest.mark.parametrize("constructor", WRONG.values(), ids=WRONG)
def test_what_makes_no_metrics(constructor, golden, request):
    with pytest.raises(TypeError) as caught:
        create(constructor)
    golden.check(request.node.name, str(caught.value))


def test_a_metric_without_variables(golden):
    with pytest.raises(ValueError, match="variables are there") as caught:
        create(keras.metrics.R2Score)
    golden.check("a metric without variables", str(caught.value))


def test_an_update_without_predictions_says_so():
    _, update, _ = create(keras.metrics.MeanSquaredError)
    with pytest.raises(AttributeError, match="predictions"):
        update((tf.constant(0.0), tf.constant(0.0)), LABELS, LABELS)


@pytest.mark.slow
def test_they_work_with_keras_on_jax_and_without_tensorflow(run_python):
    printed = run_python(
        """
        import os
        os.environ["KERAS_BACKEND"] = "jax"
        import collections, sys
        import keras
        import numpy as np
        import tensorflow_federated as tff

        metrics = tff.learning.metrics
        initialize, update, finalize = metrics.create_functional_metric_fns(
            collections.OrderedDict(
                error=keras.metrics.MeanSquaredError, n=metrics.NumExamplesCounter
            )
        )
        labels = np.float32([[1.0], [0.5]])
        output = tff.learning.models.BatchOutput(predictions=labels + 1.0)
        state = update(update(initialize(), labels, output), labels, output)
        finalized = finalize(state)
        print(float(finalized["error"]), int(finalized["n"]), state["n"][0].dtype)

        finalizers = collections.OrderedDict(
            m=metrics.create_keras_metric_finalizer(keras.metrics.Mean)
        )
        unfinalized_type = tff.to_type(collections.OrderedDict(m=[np.float32, np.float32]))
        aggregate = metrics.sum_then_finalize(finalizers, unfinalized_type)
        print(float(aggregate([{"m": [1.0, 2.0]}, {"m": [2.0, 2.0]}])["m"]))
        print("tensorflow" in sys.modules)
        """
    )
    assert printed.splitlines() == ["1.0 4 int64", "0.75", "False"]
