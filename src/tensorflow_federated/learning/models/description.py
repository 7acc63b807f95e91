"""Finds out what an algorithm has to know of a model whose variables are TensorFlow's.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import callsites, errors, trees, type_inference, types
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.types import StructWithPythonType, Type
from tensorflow_federated.learning.metrics.metric_types import AnyMetricFinalizers
from tensorflow_federated.learning.models import (
    model_fns,
    model_sources,
    model_weights,
    recording,
)
from tensorflow_federated.learning.models.local_loops import VariableModelSpec
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import VariableModel
from tensorflow_federated.tensorflow import saved_models


def describe_model(model_fn: Callable[[], VariableModel]) -> VariableModelSpec:
    """See `local_loops.describe_model`."""
    model_fns.check_model_fn(model_fn)
    recorded = recording.record(model_fn)
    weights_type = model_weights.weights_type_from_model(recorded.model)
    unfinalized_type = _unfinalized_type(recorded, model_fn)
    unused = [recorded]

    def make_model() -> RecordedModel:
        return unused.pop() if unused else recording.record(model_fn)

    return VariableModelSpec(
        model_fn=model_fn,
        weights_type=weights_type,
        batch_type=_batch_type(recorded.model, model_fn),
        initial_weights=_initial_weights(model_fn, recorded),
        metric_finalizers=_finalizers(recorded.model, unfinalized_type, model_fn),
        unfinalized_metrics_type=unfinalized_type,
        make_model=make_model,
    )


def _batch_type(model: VariableModel, model_fn: Callable[[], Any]) -> Type:
    spec = model.input_spec
    try:
        return spec if isinstance(spec, Type) else types.to_type(spec)
    except errors.ToTypeError as error:
        raise errors.ModelError(
            "the `input_spec` of the model is no structure of tensor specs.",
            problems=[f"input_spec: got {spec!r:.200}", *error.problems],
            where=callsites.line_of(model_fn),
            fix="return the `element_spec` of a client's dataset of batches.",
        ) from error


def _unfinalized_type(recorded: RecordedModel, model_fn: Callable[[], Any]) -> StructWithPythonType:
    reported = recorded.model.report_local_unfinalized_metrics()
    if not isinstance(reported, collections.OrderedDict):
        raise errors.ModelError(
            "`report_local_unfinalized_metrics` does not return an `OrderedDict`.",
            problems=[f"returned: got an object of the class `{type(reported).__name__}`"],
            where=callsites.line_of(model_fn),
            fix="return a `collections.OrderedDict` from the names of the metrics.",
        )
    tensors = trees.map_structure(tf.convert_to_tensor, reported)
    unfinalized_type = type_inference.infer_type(tensors)
    assert isinstance(unfinalized_type, StructWithPythonType)
    return unfinalized_type


def _finalizers(
    model: VariableModel, unfinalized_type: StructWithPythonType, model_fn: Callable[[], Any]
) -> AnyMetricFinalizers:
    given: Any = model.metric_finalizers()
    if not isinstance(given, Mapping):
        return given
    finalizers = collections.OrderedDict(given)
    reported = [str(name) for name, _ in unfinalized_type.items()]
    problems = [
        f"{name}: is reported and has no finalizer" for name in reported if name not in finalizers
    ]
    problems += [
        f"{name}: has a finalizer and is not reported"
        for name in finalizers
        if name not in reported
    ]
    if problems:
        raise errors.ModelValueError(
            "the metrics that the model reports are not those that it has finalizers for.",
            problems=problems,
            where=callsites.line_of(model_fn),
            fix="use the same names in `report_local_unfinalized_metrics` and `metric_finalizers`.",
        )
    return finalizers


def _initial_weights(
    model_fn: Callable[[], VariableModel], recorded: RecordedModel
) -> ConcreteComputation:
    """The computation that draws weights; it calls `model_fn` in Python each time it runs.

    Keras chooses the seeds of its initializers when a layer is made: traced into a graph, the same
    weights would come out of every call. Turned into bytes, it gives weights that are drawn then.
    """
    variables = [*recorded.trainable, *recorded.non_trainable]
    in_main_thread = _keras_dtype_policy()

    def draw() -> list[np.ndarray]:
        _set_keras_dtype_policy(in_main_thread)
        made = recording.record(model_fn)
        drawn = [np.asarray(v.numpy()) for v in [*made.trainable, *made.non_trainable]]
        if [value.shape for value in drawn] != [tuple(v.shape) for v in variables]:
            raise errors.ModelValueError(
                "`model_fn` makes models of another form each time.",
                problems=[f"weights: {[list(value.shape) for value in drawn]}"],
                where=callsites.line_of(model_fn),
            )
        return drawn

    @tf.autograph.experimental.do_not_convert
    def initial_weights() -> ModelWeights:
        drawn = []
        if variables:
            drawn = tf.numpy_function(draw, [], [variable.dtype for variable in variables])
        shaped = [
            tf.ensure_shape(value, variable.shape)
            for value, variable in zip(drawn, variables, strict=True)
        ]
        count = len(recorded.trainable)
        return ModelWeights(
            trees.pack_like(recorded.weights.trainable, shaped[:count]),
            trees.pack_like(recorded.weights.non_trainable, shaped[count:]),
        )

    computation = tensorflow_backend.computation(initial_weights)

    def make_substitute() -> LocalComputation:
        # Another one: this function must not keep alive the computation that it belongs to.
        drawn = tensorflow_backend.computation(initial_weights)()
        constants = tensorflow_backend.computation(lambda: trees.map_structure(tf.constant, drawn))
        return constants.node.computation

    # Elsewhere there is no `model_fn` to call.
    saved_models.encode_as(computation.node.computation, make_substitute)
    return model_sources.remember(computation, model_fn)


def _keras_dtype_policy() -> Any:
    # Keras keeps it for each thread, and models are also made in threads of TensorFlow.
    keras = sys.modules.get("keras")
    return None if keras is None else keras.config.dtype_policy()


def _set_keras_dtype_policy(policy: Any) -> None:
    if policy is not None and policy.name != _keras_dtype_policy().name:
        sys.modules["keras"].config.set_dtype_policy(policy)
