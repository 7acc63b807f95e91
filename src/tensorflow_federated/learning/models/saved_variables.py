"""Models with variables as pure functions of TensorFlow, which can be saved.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import errors, ir, trees, type_encoding, type_inference
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.execution import serialization
from tensorflow_federated.learning.models import batches, frameworks, from_keras, runners
from tensorflow_federated.learning.models.keras_model import KerasModel
from tensorflow_federated.learning.models.loaded_model import Content, LoadedModel
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import VariableModel


def to_content(model: VariableModel, batch_type: Type) -> Content:
    """Traces the methods of a model.

    Args:
      model: the model; what its variables hold now is saved, and they are left alone.
      batch_type: the type of a batch.

    Returns:
      What is to be saved.

    Raises:
      ModelError: if the model cannot compute its loss for a batch of that type.
    """
    assert isinstance(batch_type, StructType)
    if isinstance(model, LoadedModel) and model.batch_type == batch_type:
        return model.to_content()
    if isinstance(model, KerasModel):
        # A model that keeps variables from Keras is saved with them, as are those below; one that
        # is wrong altogether fails again there.
        with contextlib.suppress(Exception):
            return _of_keras(model, batch_type)
    try:
        recorded = _recorded(model, _used(model, batch_type))
        return _Tracer(recorded, runners.VariableRunner(recorded), batch_type).content()
    except (errors.FederatedError, AssertionError):
        raise
    except Exception as error:
        kind = errors.ModelError if isinstance(error, TypeError) else errors.ModelValueError
        raise kind(
            "the model cannot be saved: it cannot compute its loss for a batch.",
            problems=[f"input_spec: {batch_type}", f"{type(error).__name__}: {error!s:.400}"],
            fix="compare the type of a batch with what the model, its loss and metrics take.",
        ) from error


def _of_keras(model: KerasModel, batch_type: StructType) -> Content:
    """Traces a model without touching its variables.

    Raises:
      Exception: if that cannot be done, of whatever kind Keras and the model raise.
    """
    recorded = _recorded(model, [])
    runner = runners.StatelessRunner(recorded, model)
    content = _Tracer(recorded, runner, batch_type).content()
    while runner.take_in_found():
        content = _Tracer(recorded, runner, batch_type).content()
    return content


def _used(model: VariableModel, batch_type: StructType) -> Sequence[tf.Variable]:
    """All variables that the methods of a model use."""
    spec = from_keras.to_specs(batch_type)
    features, _ = batches.split(spec)

    def everything(batch: Any, x: Any) -> list[Any]:
        """All that the model can do, for the variables in it."""
        return [
            [model.forward_pass(batch, training=training).loss for training in (True, False)],
            [model.predict_on_batch(x, training=training) for training in (True, False)],
            [model.report_local_unfinalized_metrics(), model.reset_metrics() or 0],
        ]

    return tf.function(everything).get_concrete_function(spec, features).graph.variables


def _recorded(model: VariableModel, used: Sequence[tf.Variable]) -> RecordedModel:
    """A model that has been made already, and all variables that its methods use."""
    groups = [
        [frameworks.to_framework_variable(each) for each in trees.leaves(listed)]
        for listed in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.local_variables,
        )
    ]
    trainable, non_trainable, local = (
        tuple(each for each in group if not frameworks.is_seed_state(each)) for group in groups
    )
    known = {id(each) for each in (*trainable, *non_trainable, *local)}
    seeds = [each for group in groups for each in group if frameworks.is_seed_state(each)]
    hidden = tuple({id(each): each for each in [*seeds, *used] if id(each) not in known}.values())
    return RecordedModel(
        model,
        ModelWeights.from_model(model),
        trainable,
        non_trainable,
        local,
        hidden,
        tuple(np.array(each.numpy()) for each in local),
        tuple(np.array(each.numpy()) for each in hidden),
    )


class _Tracer:
    """Traces the methods of one model."""

    def __init__(
        self, recorded: RecordedModel, runner: _MethodRunner, batch_type: StructType
    ) -> None:
        self._recorded = recorded
        self._runner = runner
        self._model = recorded.model
        self._batch_type = batch_type
        self._hidden = list(runner.hidden)
        self._values = (
            [np.array(each.numpy()) for each in recorded.trainable],
            [np.array(each.numpy()) for each in recorded.non_trainable],
            list(recorded.local_values),
            [each.value for each in self._hidden],
        )
        self._state_type = type_inference.infer_type(self._values)

    def content(self) -> Content:
        """See `to_content`."""
        state_type, batch_type = self._state_type, self._batch_type
        features_type, _ = batches.split(batch_type)
        methods: dict[str, Computation] = {
            "train": self._computation(self._pass(True), state_type, batch_type),
            "evaluate": self._computation(self._pass(False), state_type, batch_type),
            "report": self._computation(self._report, state_type),
            "reset": self._computation(self._reset, state_type),
        }
        for name, training in (("predict_training", True), ("predict", False)):
            predict = self._computation(self._prediction(training), state_type, features_type)
            result_type: Any = predict.type_signature.result
            methods[name] = predict
            methods[f"{name}_gradient"] = self._computation(
                self._pullback(training), state_type, features_type, result_type["predictions"]
            )
        weights = self._recorded.weights.convert_variables_to_arrays()
        return collections.OrderedDict(
            trainable=weights.trainable,
            non_trainable=weights.non_trainable,
            local=self._values[2],
            hidden=self._values[3],
            is_seed=[np.bool_(each.is_seed) for each in self._hidden],
            is_pure=np.bool_(not self._runner.variables),
            batch_type=type_encoding.serialize_type(batch_type),
            methods=trees.map_structure(serialization.serialize_computation, methods),
            finalizers=_finalizers(self._model, methods["report"].type_signature.result),
        )

    def _pass(self, training: bool) -> Callable[[Any, Any], Any]:
        def run(state: Any, batch: Any) -> Any:
            step = self._runner.run(_to_values(state), batch, training=training)
            output = step.output
            counted = step.num_examples if output.num_examples is None else output.num_examples
            return collections.OrderedDict(
                loss=output.loss,
                predictions=[] if output.predictions is None else [output.predictions],
                num_examples=counted,
                gradients=step.gradients or [],
                state=self._shaped(step.values),
            )

        return run

    def _prediction(self, training: bool) -> Callable[[Any, Any], Any]:
        def run(state: Any, x: Any) -> Any:
            predictions, after = self._predict(x, _to_values(state), training)
            return collections.OrderedDict(predictions=predictions, state=self._shaped(after))

        return run

    def _predict(self, x: Any, values: runners.Values, training: bool) -> Any:
        """The predictions, and the values of the variables afterwards."""
        predict = functools.partial(self._model.predict_on_batch, training=training)
        if isinstance(self._runner, runners.VariableRunner):
            # With AutoGraph where the user left that to us.
            predict = tf.function(predict)
        return self._runner.apply(lambda: predict(x), values)

    def _pullback(self, training: bool) -> Callable[[Any, Any, Any], Any]:
        """From gradients of the predictions to those of the trainable weights and the features."""

        def run(state: Any, x: Any, upstream: Any) -> Any:
            values = _to_values(state)
            moving = [each for each in trees.leaves(x) if each.dtype.is_floating]
            sources = [*self._runner.sources(values), *moving]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for source in sources:
                    tape.watch(source)
                predictions, _ = self._predict(x, values, training)
            pairs = [
                pair
                for pair in zip(trees.leaves(predictions), trees.leaves(upstream), strict=True)
                if pair[0].dtype.is_floating
            ]
            found = tape.gradient([each for each, _ in pairs], sources, [each for _, each in pairs])
            return [
                tf.zeros_like(source) if gradient is None else tf.convert_to_tensor(gradient)
                for source, gradient in zip(sources, found, strict=True)
            ]

        return run

    def _report(self, state: Any) -> Any:
        return self._runner.report(_to_values(state), None)

    def _reset(self, state: Any) -> Any:
        _, after = self._runner.apply(self._model.reset_metrics, _to_values(state))
        return self._shaped(after)

    def _shaped(self, after: runners.Values) -> Any:
        """The values of all variables, of the shapes that they had before."""
        return tuple(
            [
                tf.ensure_shape(tensor, value.shape)
                for tensor, value in zip(tensors, values, strict=True)
            ]
            for tensors, values in zip(after, self._values, strict=True)
        )

    def _computation(self, fn: Callable[..., Any], *parameter_types: Type) -> Computation:
        """A computation that owns the variables of the model that it sets."""
        converted = tf.autograph.experimental.do_not_convert(fn)
        computation = tensorflow_backend.model_computation(converted, *parameter_types)
        local = computation.node.computation
        owned = (*local.function.variables, *self._runner.variables)
        function = dataclasses.replace(local.function, variables=owned)
        return ConcreteComputation(
            ir.Local(dataclasses.replace(local, function=function)), computation.__name__
        )


_MethodRunner = runners.VariableRunner | runners.StatelessRunner


def _to_values(state: Any) -> runners.Values:
    return runners.Values(*map(list, state))


def _finalizers(model: VariableModel, unfinalized_type: Type) -> Any:
    given: Any = model.metric_finalizers()
    if not isinstance(given, Mapping):
        return _finalizer(given, unfinalized_type)
    assert isinstance(unfinalized_type, StructType)
    by_name = dict(unfinalized_type.items())
    return collections.OrderedDict(
        (name, _finalizer(finalizer, by_name[name])) for name, finalizer in given.items()
    )


def _finalizer(finalizer: Callable[[Any], Any], unfinalized_type: Type) -> bytes:
    if isinstance(finalizer, ConcreteComputation):
        return serialization.serialize_computation(finalizer)

    def finalize(unfinalized: Any) -> Any:
        return finalizer(unfinalized)

    return serialization.serialize_computation(
        tensorflow_backend.computation(finalize, unfinalized_type)
    )
