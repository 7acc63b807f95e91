"""Keras models as the older generations of the API took them."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tensorflow_federated import tensorflow
from tensorflow_federated.core import containers, errors, intrinsics, types
from tensorflow_federated.core.types import Type
from tensorflow_federated.learning.metrics.keras_finalizer import create_keras_metric_finalizer
from tensorflow_federated.learning.models import frameworks, from_keras
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

_FROM_COMPILED = "tff.learning.from_compiled_keras_model"


@errors.boundary
def from_keras_model(
    keras_model: Any,
    loss: Any = None,
    input_spec: Any = None,
    loss_weights: Sequence[float] | None = None,
    metrics: Any = None,
    *,
    dummy_batch: Any = None,
    optimizer: Any = None,
) -> VariableModel:
    """Makes a model of a Keras model, as `tff.learning.from_keras_model` did.

    Two older forms work too: a batch of examples in the place of `input_spec`, as `dummy_batch` or
    as the second argument, before the loss; and no loss at all, for a model whose weights can be
    initialized and no more.

    Args:
      keras_model: see `tff.learning.models.from_keras_model`, as for the next four.
      loss: see there; without it the model cannot be trained.
      input_spec: see there; without a loss the features alone will do.
      loss_weights: see there.
      metrics: see there.
      dummy_batch: a batch, features and labels, whose form is that of all batches but for the
        number of examples; in the place of `input_spec`.
      optimizer: the optimizer of a client, where the algorithm is given none.

    Returns:
      The model.

    Raises:
      ModelError: see `tff.learning.models.from_keras_model`.
      ModelValueError: see there.
    """
    if isinstance(loss, (Mapping, tuple, list)) and _holds_arrays(loss):
        # The order of arguments of the first years: model, batch, loss.
        dummy_batch, loss, input_spec = loss, input_spec, None
    if dummy_batch is not None:
        input_spec = spec_of_batch(dummy_batch)
    if loss is None:
        return WithoutLoss(keras_model, input_spec)
    model = from_keras.from_keras_model(keras_model, loss, input_spec, loss_weights, metrics)
    return _with_optimizer(model, optimizer)


@errors.boundary
def from_compiled_keras_model(keras_model: Any, dummy_batch: Any) -> VariableModel:
    """Makes a model of a compiled Keras model: its loss, metrics and optimizer are taken.

    Args:
      keras_model: a compiled Keras model.
      dummy_batch: a batch, features and labels, whose form is that of all batches but for the
        number of examples.

    Returns:
      The model; algorithms of the older generations take its optimizer if they are given none.

    Raises:
      ModelError: if it is no Keras model.
      ModelValueError: if it is not compiled, or in a way that has no counterpart.
    """
    from_keras.check_keras(f"`{_FROM_COMPILED}`")
    from_keras.check_keras_model(keras_model, f"`{_FROM_COMPILED}`")
    config = keras_model.get_compile_config() if keras_model.compiled else {}
    if not config or config.get("loss") is None:
        raise errors.ModelValueError(
            f"`{_FROM_COMPILED}` needs a model that is compiled.",
            problems=[f"keras_model: {keras_model.name!r} has no loss"],
            fix="call `keras_model.compile(optimizer=..., loss=..., metrics=...)` first.",
        )
    problems = [
        f"{name}: got {config[name]!r:.80}"
        for name in ("loss_weights", "weighted_metrics")
        if config.get(name) is not None
    ]
    if problems:
        raise errors.ModelValueError(
            f"`{_FROM_COMPILED}` cannot take over how this model is compiled.",
            problems=problems,
            fix="write `tff.learning.models.from_keras_model(keras_model, loss=..., "
            "input_spec=..., loss_weights=..., metrics=[...])`.",
        )
    import keras

    loss = keras.losses.get(_loaded(config["loss"]))
    if not isinstance(loss, keras.losses.Loss):
        loss = _loss_of(loss)
    model = from_keras.wrap_keras_model(
        keras_model,
        loss,
        spec_of_batch(dummy_batch),
        None,
        [_metric_of(each, loss) for each in config.get("metrics") or []],
    )
    return _with_optimizer(model, keras_model.optimizer)


def _loaded(config: Any) -> Any:
    """What a compilation's configuration stands for: names stay names."""
    import keras

    return keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config


def _loss_of(function: Any) -> Any:
    """The loss class of a loss function of Keras, such as `mean_squared_error`."""
    import keras

    name = "".join(part.title() for part in function.__name__.split("_"))
    found = getattr(keras.losses, name, None)
    if found is None:
        raise errors.ModelValueError(
            f"`{_FROM_COMPILED}` needs a loss that Keras has as a class.",
            problems=[f"loss: got the function `{function.__name__}`"],
            fix="compile with an instance, for example `keras.losses.MeanSquaredError()`.",
        )
    return found()


_ACCURACIES = {
    "SparseCategoricalCrossentropy": "SparseCategoricalAccuracy",
    "CategoricalCrossentropy": "CategoricalAccuracy",
    "BinaryCrossentropy": "BinaryAccuracy",
}


def _metric_of(config: Any, loss: Any) -> Any:
    import keras

    metric: Any = _loaded(config)
    if metric in ("accuracy", "acc"):
        metric = _ACCURACIES.get(type(loss).__name__, "Accuracy")
        return getattr(keras.metrics, metric)(name="accuracy")
    metric = keras.metrics.get(metric)
    if isinstance(metric, keras.metrics.Metric):
        return metric
    return keras.metrics.MeanMetricWrapper(metric, name=metric.__name__)


def spec_of_batch(batch: Any) -> Any:
    """The form of batches, of one of them: any number of examples.

    Examples:
      >>> import numpy as np
      >>> spec = spec_of_batch((np.zeros([20, 3], np.float32), np.zeros([20], np.int32)))
      >>> [str(each) for each in spec]
      ['float32[?,3]', 'int32[?]']
    """
    elements = containers.unpack(batch)
    if elements is None:
        array = np.asarray(batch)
        return types.TensorType(array.dtype, (None, *array.shape[1:]))
    specs = [spec_of_batch(element) for _, element in elements]
    names = [name for name, _ in elements]
    if all(name is not None for name in names):
        return dict(zip(names, specs, strict=True))
    return tuple(specs)


def _holds_arrays(candidate: Any) -> bool:
    elements = containers.unpack(candidate)
    leaves = [element for _, element in elements or []]
    return bool(leaves) and all(
        hasattr(leaf, "shape") or containers.unpack(leaf) is not None for leaf in leaves
    )


_OPTIMIZERS = "_optimizer_of_older_api"


def _with_optimizer(model: VariableModel, optimizer: Any) -> VariableModel:
    if optimizer is not None:
        setattr(model, _OPTIMIZERS, optimizer)
    return model


def optimizer_of(model: VariableModel) -> Any:
    """The Keras optimizer that a model came with; None if with none."""
    return getattr(model, _OPTIMIZERS, None)


class WithoutLoss(VariableModel):
    """A Keras model without a loss: it has weights to start from, and cannot be trained."""

    def __init__(self, keras_model: Any, input_spec: Any) -> None:
        """Wraps a model; its variables are made from the features of `input_spec`."""
        from_keras.check_keras("`tff.learning.from_keras_model`")
        from_keras.check_keras_model(keras_model, "`tff.learning.from_keras_model`")
        self._input_spec = input_spec
        self._keras_model = keras_model
        if not keras_model.built:
            self._build()

    def _build(self) -> None:
        import keras

        try:
            features = types.to_type(self._input_spec)
            self._keras_model(_features(features, keras))
        except Exception as error:
            raise errors.ModelValueError(
                "the variables of the Keras model cannot be made.",
                problems=[f"input_spec: {self._input_spec}", f"{type(error).__name__}: {error}"],
                fix="give the `input_spec` of the batches that the model is to read.",
            ) from error

    @property
    def trainable_variables(self) -> Any:
        return list(self._keras_model.trainable_variables)

    @property
    def non_trainable_variables(self) -> Any:
        variables = self._keras_model.non_trainable_variables
        return [each for each in variables if not frameworks.is_seed_state(each)]

    @property
    def local_variables(self) -> Any:
        return []

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        raise self.error()

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        return self._keras_model(batch_input, training=training)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict()

    def metric_finalizers(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict()

    def reset_metrics(self) -> None:
        """Does nothing: there are no metrics."""

    def error(self) -> errors.ModelValueError:
        """What to say when the model is to be trained."""
        return errors.ModelValueError(
            "this model cannot be trained or evaluated: it has no loss.",
            problems=[
                "loss: `from_keras_model` was called without `loss=`",
                f"input_spec: expected features and labels, (x, y), got {self._input_spec}",
            ],
            signature="from_keras_model(keras_model, loss=..., input_spec=(x, y))",
            fix="give `from_keras_model` a `loss=`, for example "
            "`tf.keras.losses.SparseCategoricalCrossentropy()`, and as `input_spec=` the pair "
            "(x, y) of the specs of features and labels, as `dataset.element_spec` gives it.",
        )


def _features(features: Type, keras: Any) -> Any:
    """Symbolic features of a type: those of a pair, or the whole."""
    if isinstance(features, types.TensorType):
        return keras.KerasTensor(features.shape, features.dtype.name)
    assert isinstance(features, types.StructType)
    named = dict(features.items())
    if set(named) == {"x", "y"}:
        return _features(named["x"], keras)
    if all(name is None for name in named) and len(features) == 2:
        return _features(features[0], keras)
    if None in named:
        return [_features(each, keras) for _, each in features.items()]
    return {str(name): _features(each, keras) for name, each in features.items()}


@errors.boundary
def assign_weights_to_keras_model(keras_model: Any, tff_weights: Any) -> None:
    """Assigns weights to the variables of a Keras model.

    Args:
      keras_model: the model.
      tff_weights: a `tff.learning.models.ModelWeights`, or a structure of its form, as
        `state.model`.

    Raises:
      ModelValueError: if the weights are not those of such a model.
    """
    weights = tff_weights
    if not isinstance(weights, ModelWeights):
        weights = ModelWeights.from_tff_result(tff_weights)
    weights.assign_weights_to(keras_model)


@errors.boundary
def federated_aggregate_keras_metric(
    metrics: Any, federated_values: Any, federated_variables: Any = None
) -> Any:
    """Sums the variables of Keras metrics over the clients, and gives the results of the metrics.

    Call it inside of a federated computation. Two forms: ``(metrics, federated_values)``, with one
    metric or a sequence of metrics and as many values; and the older
    ``(metric_type, metric_config, federated_variables)``.

    Args:
      metrics: a Keras metric, or several; or the class of one.
      federated_values: the variables of the metric at the clients, or those of several; or the
        configuration of the metric.
      federated_variables: the variables at the clients, in the older form.

    Returns:
      The result of the metric at the server, or a list of several.

    Raises:
      MetricFinalizersError: if the values are not those of the metric's variables.
    """
    if federated_variables is not None:
        return _aggregate(metrics.from_config(federated_values), federated_variables)
    if isinstance(metrics, (list, tuple)):
        values = [federated_values[index] for index in range(len(metrics))]
        return [_aggregate(*each) for each in zip(metrics, values, strict=True)]
    return _aggregate(metrics, federated_values)


def _aggregate(metric: Any, values: Any) -> Any:
    finalize = create_keras_metric_finalizer(metric)
    summed: Any = intrinsics.federated_sum(values)

    def result(variables: Any) -> Any:
        return finalize([variables[index] for index in range(len(variables))])

    return intrinsics.federated_map(
        tensorflow.computation(result, summed.type_signature.member), summed
    )
