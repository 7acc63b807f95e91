"""Models with variables as pure functions of TensorFlow, which can be saved, and back.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tensorflow_federated import tensorflow as tensorflow_backend
from tensorflow_federated.core import errors, ir, trees, type_encoding, type_inference
from tensorflow_federated.core.computations import Computation, ConcreteComputation
from tensorflow_federated.core.types import StructType, Type
from tensorflow_federated.execution import serialization
from tensorflow_federated.learning.models import (
    batches,
    frameworks,
    from_keras,
)
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.recording import RecordedModel
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel
from tensorflow_federated.tensorflow import tracing, type_specs

Content = collections.OrderedDict[str, Any]
"""What is saved of a model: the values of its variables, and its methods as computations.

The methods are in bytes of their own. `train`, `evaluate`: ``(<state=S,batch=B> ->
<loss,predictions,num_examples,gradients,state=S>)``, with no gradients to evaluate.
`predict_training`, `predict`: ``(<state=S,x=X> -> <predictions,state=S>)``. `report`:
``(S -> M)``. `reset`: ``(S -> S)``. `finalizers`: one
computation for each metric of M, or one for all. S are the values of all variables, flat.
"""


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
    try:
        recorded = _recorded(model, batch_type)
        return _Tracer(recorded, batch_type).content()
    except (errors.FederatedError, AssertionError):
        raise
    except Exception as error:
        kind = errors.ModelError if isinstance(error, TypeError) else errors.ModelValueError
        raise kind(
            "the model cannot be saved: it cannot compute its loss for a batch.",
            problems=[f"input_spec: {batch_type}", f"{type(error).__name__}: {error!s:.400}"],
            fix="compare the type of a batch with what the model, its loss and metrics take.",
        ) from error


def _recorded(model: VariableModel, batch_type: StructType) -> RecordedModel:
    """A model that has been made already, and all variables that its methods use."""
    spec = from_keras.to_specs(batch_type)
    features, _ = batches.split(spec)

    def traced(fn: Callable[..., Any], *specs: Any) -> Sequence[tf.Variable]:
        return tf.function(fn).get_concrete_function(*specs).graph.variables

    def everything(batch: Any, x: Any) -> list[Any]:
        """All that the model can do, for the variables in it."""
        return [
            [model.forward_pass(batch, training=training).loss for training in (True, False)],
            [model.predict_on_batch(x, training=training) for training in (True, False)],
            [model.report_local_unfinalized_metrics(), model.reset_metrics() or 0],
        ]

    used = traced(everything, spec, features)
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

    def __init__(self, recorded: RecordedModel, batch_type: StructType) -> None:
        self._recorded = recorded
        self._model = recorded.model
        self._batch_type = batch_type
        groups = (recorded.trainable, recorded.non_trainable, recorded.local, recorded.hidden)
        self._groups = [list(group) for group in groups]
        self._values = [[np.array(each.numpy()) for each in group] for group in groups]
        self._state_type = type_inference.infer_type(tuple(self._values))

    def content(self) -> Content:
        """See `to_content`."""
        features_type, _ = batches.split(self._batch_type)
        report = self._computation(self._report, self._state_type)
        methods: dict[str, Computation] = {
            "train": self._computation(self._pass(True), self._state_type, self._batch_type),
            "evaluate": self._computation(self._pass(False), self._state_type, self._batch_type),
            "predict_training": self._computation(
                self._prediction(True), self._state_type, features_type
            ),
            "predict": self._computation(self._prediction(False), self._state_type, features_type),
            "report": report,
            "reset": self._computation(self._reset, self._state_type),
        }
        weights = self._recorded.weights.convert_variables_to_arrays()
        return collections.OrderedDict(
            trainable=weights.trainable,
            non_trainable=weights.non_trainable,
            local=self._values[2],
            hidden=self._values[3],
            is_seed=[np.bool_(frameworks.is_seed_state(each)) for each in self._groups[3]],
            batch_type=type_encoding.serialize_type(self._batch_type),
            methods=trees.map_structure(serialization.serialize_computation, methods),
            finalizers=_finalizers(self._model, report.type_signature.result),
        )

    def _pass(self, training: bool) -> Callable[[Any, Any], Any]:
        def run(state: Any, batch: Any) -> Any:
            self._assign(state)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for variable in self._groups[0]:
                    tape.watch(variable)
                output = _converted(self._model.forward_pass, training)(batch)
            gradients: list[Any] = []
            if training:
                gradients = _dense_gradients(tape, output.loss, self._groups[0])
            predictions = [] if output.predictions is None else [output.predictions]
            return collections.OrderedDict(
                loss=output.loss,
                predictions=predictions,
                num_examples=_count_examples(output),
                gradients=gradients,
                state=self._read(),
            )

        return run

    def _prediction(self, training: bool) -> Callable[[Any, Any], Any]:
        def run(state: Any, x: Any) -> Any:
            self._assign(state)
            predictions = _converted(self._model.predict_on_batch, training)(x)
            return collections.OrderedDict(predictions=predictions, state=self._read())

        return run

    def _report(self, state: Any) -> Any:
        self._assign(state)
        reported = self._model.report_local_unfinalized_metrics()
        return trees.map_structure(tf.convert_to_tensor, reported)

    def _reset(self, state: Any) -> Any:
        self._assign(state)
        self._model.reset_metrics()
        return self._read()

    def _assign(self, state: Any) -> None:
        for variables, values in zip(self._groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _read(self) -> Any:
        return tuple(
            [
                tf.ensure_shape(variable.read_value(), value.shape)
                for variable, value in zip(variables, values, strict=True)
            ]
            for variables, values in zip(self._groups, self._values, strict=True)
        )

    def _computation(self, fn: Callable[..., Any], *parameter_types: Type) -> Computation:
        """A computation that owns the variables of the model."""
        converted = tf.autograph.experimental.do_not_convert(fn)
        computation = tensorflow_backend.model_computation(converted, *parameter_types)
        local = computation.node.computation
        own = [variable for group in self._groups for variable in group]
        function = dataclasses.replace(local.function, variables=(*local.function.variables, *own))
        return ConcreteComputation(
            ir.Local(dataclasses.replace(local, function=function)), computation.__name__
        )


def _converted(method: Callable[..., Any], training: bool) -> Callable[[Any], Any]:
    """A method of a model, with AutoGraph where the user left that to us."""
    return tf.function(lambda argument: method(argument, training=training))


def _dense_gradients(tape: tf.GradientTape, loss: Any, variables: Sequence[Any]) -> list[Any]:
    """The gradients as tensors: zeros where a weight has no part in the loss."""
    return [
        tf.zeros_like(variable) if found is None else tf.convert_to_tensor(found)
        for variable, found in zip(variables, tape.gradient(loss, variables), strict=True)
    ]


def _count_examples(output: BatchOutput) -> Any:
    if output.num_examples is None:
        return tf.shape(tf.nest.flatten(output.predictions)[0])[0]
    return output.num_examples


def _finalizers(model: VariableModel, unfinalized_type: Type) -> Any:
    given: Any = model.metric_finalizers()
    if not isinstance(given, Mapping):
        return _finalizer(given, unfinalized_type)
    assert isinstance(unfinalized_type, StructType)
    by_name = dict(unfinalized_type.items())
    return collections.OrderedDict(
        (name, _finalizer(finalizer, by_name[name])) for name, finalizer in given.items()
    )


def _finalizer(finalizer: Callable[[Any], Any], unfinalized_type: Type) -> Computation:
    if isinstance(finalizer, ConcreteComputation):
        return finalizer

    def finalize(unfinalized: Any) -> Any:
        return finalizer(unfinalized)

    return tensorflow_backend.computation(finalize, unfinalized_type)


class LoadedModel(VariableModel):
    """A model that was saved, with variables of its own."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Makes the variables.

        Args:
          content: what `to_content` gave.
        """
        # Read here, so that whoever notes the variables of the model notes those in its graphs.
        self._methods: dict[str, Computation] = {
            name: serialization.deserialize_computation(data)
            for name, data in content["methods"].items()
        }
        self._finalizers = content["finalizers"]
        batch_type = type_encoding.deserialize_type(content["batch_type"])
        self._input_spec = from_keras.to_specs(batch_type)

        def variable(value: Any, **options: Any) -> tf.Variable:
            return tf.Variable(value, **options)

        self._trainable = trees.map_structure(variable, content["trainable"])
        self._non_trainable = trees.map_structure(
            lambda value: variable(value, trainable=False), content["non_trainable"]
        )
        self._local = [variable(value, trainable=False) for value in content["local"]]
        self._hidden = [
            variable(value, trainable=False, name=_seed_name(value) if is_seed else "hidden")
            for value, is_seed in zip(content["hidden"], content["is_seed"], strict=True)
        ]

    @property
    def trainable_variables(self) -> Any:
        return self._trainable

    @property
    def non_trainable_variables(self) -> Any:
        return self._non_trainable

    @property
    def local_variables(self) -> list[tf.Variable]:
        return self._local

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    @tf.autograph.experimental.do_not_convert
    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        if not training:
            result = self._run("evaluate", batch_input)
            loss = result["loss"]
        else:
            # The gradients are those of the model that was saved, custom ones too.
            trainable = [tf.convert_to_tensor(each) for each in trees.leaves(self._trainable)]
            result = trees.map_structure(tf.stop_gradient, self._run("train", batch_input))
            loss = _with_gradients(result["loss"], trainable, result["gradients"])
        predictions = result["predictions"][0] if len(result["predictions"]) else None
        return BatchOutput(loss, predictions, result["num_examples"])

    @tf.autograph.experimental.do_not_convert
    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        return self._run("predict_training" if training else "predict", batch_input)["predictions"]

    @tf.autograph.experimental.do_not_convert
    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return called(self._methods["report"], [self._values()])

    def metric_finalizers(self) -> Any:
        return self._finalizers

    @tf.autograph.experimental.do_not_convert
    def reset_metrics(self) -> None:
        self._assign(called(self._methods["reset"], [self._values()]))

    def _run(self, method: str, batch: Any) -> Any:
        """Calls one of the saved functions, and sets what it changed."""
        result = called(self._methods[method], [self._values(), batch])
        self._assign(result["state"])
        return result

    def _values(self) -> Any:
        weights = (trees.leaves(self._trainable), trees.leaves(self._non_trainable))
        groups = (*weights, self._local, self._hidden)
        return tuple([tf.convert_to_tensor(each) for each in group] for group in groups)

    def _assign(self, state: Any) -> None:
        groups = (trees.leaves(self._non_trainable), self._local, self._hidden)
        for variables, values in zip(groups, list(state)[1:], strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def _seed_name(value: Any) -> str:
    """A name that `frameworks.is_seed_state` knows."""
    return "seed_generator_state" if np.shape(value) == (2,) else "StateVar"


def _with_gradients(loss: Any, trainable: Sequence[Any], gradients: Sequence[Any]) -> Any:
    """The loss, whose gradients are known already."""

    @tf.custom_gradient
    def attach(*weights: Any) -> Any:
        del weights

        def gradient(upstream: Any) -> list[Any]:
            return [tf.cast(upstream, each.dtype) * each for each in gradients]

        return tf.identity(loss), gradient

    return attach(*trainable)


@tf.autograph.experimental.do_not_convert
def called(computation: Any, arguments: Sequence[Any]) -> Any:
    """Calls a computation on tensors, in a graph or outside.

    Args:
      computation: a computation of TensorFlow.
      arguments: the elements of its argument; or its argument alone.

    Returns:
      Its result in its containers, made of tensors.
    """
    function_type = computation.type_signature
    parameter: Any = function_type.parameter
    argument = arguments[0] if len(arguments) == 1 else list(arguments)
    if len(arguments) > 1:
        names = [name for name, _ in parameter.items()]
        argument = collections.OrderedDict(zip(names, arguments, strict=True))
    tensors = type_specs.flatten(argument, parameter)
    results = tracing.call_flat(computation.node.computation, tensors)
    return type_specs.unflatten(function_type.result, results, type_specs.pack_argument)
