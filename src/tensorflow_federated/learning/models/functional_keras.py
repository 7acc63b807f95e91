"""Makes a functional model of a Keras model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorflow_federated.core import errors, trees, types
from tensorflow_federated.learning import descriptions, metrics
from tensorflow_federated.learning.models import batches, frameworks, from_keras, functional
from tensorflow_federated.learning.models.functional import FunctionalModel

_NAME = "`tff.learning.models.functional_model_from_keras`"


@errors.boundary
def functional_model_from_keras(
    keras_model: Any, loss_fn: Any, input_spec: Any, metrics_constructor: Any = None
) -> FunctionalModel:
    """Makes a functional model of a Keras model, a loss and metrics.

    The Keras model is called on the weights that are given, and its variables are left alone. Units
    that a `Dropout` leaves out are drawn anew at each call. What layers add to the loss
    (regularizers) has no place in a functional model, and is an error.

    Args:
      keras_model: a Keras 3 model on the TensorFlow backend, or a function without arguments that
        makes one. Its weights are the initial ones. If it is compiled, its loss, metrics and
        optimizer are not used.
      loss_fn: a `keras.losses.Loss`, or a function with the parameters `y_true`, `y_pred` and
        `sample_weight`, which is None.
      input_spec: the form of a batch, as `dataset.element_spec` gives it: a pair of the features
        and the labels, or a mapping with the names `x` and `y`.
      metrics_constructor: as `tff.learning.metrics.create_functional_metric_fns` takes it; no
        metrics if None.

    Returns:
      The model. Its weights are tuples of arrays, in the order of Keras.

    Raises:
      ModelError: if an argument is not of the kind that is needed.
      ModelValueError: if the Keras model, loss and `input_spec` do not fit together.
      KerasFunctionalModelError: if training the Keras model changes more than its trainable
        weights, as batch normalization does, or adds to the loss.

    Examples:
      >>> import collections
      >>> import keras
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
      >>> model = tff.learning.models.functional_model_from_keras(
      ...     keras.Sequential([keras.Input((2,)), dense]),
      ...     loss_fn=keras.losses.MeanSquaredError(),
      ...     input_spec=(tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])),
      ...     metrics_constructor=collections.OrderedDict(error=keras.metrics.MeanAbsoluteError),
      ... )
      >>> predictions = model.predict_on_batch(model.initial_weights, np.float32([[1.0, 2.0]]))
      >>> predictions.numpy()
      array([[3.]], dtype=float32)
      >>> float(model.loss(predictions, np.float32([[1.0]])))
      4.0

    Differs from TFF: the model may be used anywhere, and its layers may share variables. The states
    of random generators, which Keras counts among the non-trainable variables, are no weights.
    """
    from_keras.check_framework(_NAME)
    import tensorflow as tf

    loss = _checked_loss(loss_fn)
    spec = from_keras.checked_input_spec(input_spec)
    # The model's own variables are never used, but must not belong to a graph.
    with tf.init_scope():
        made = _made(keras_model)
        from_keras.ensure_built(made, spec)
        call = _KerasCall(made)
        weights = (_values_of(call.trainable), _values_of(call.non_trainable))

        @tf.function
        def predict_on_batch(model_weights: Any, x: Any, training: bool = True) -> Any:
            return call.predict(model_weights, x, training)

        _check_is_functional(call, predict_on_batch, weights, spec)
    metrics_fns = functional.NO_METRICS
    if metrics_constructor is not None:
        metrics_fns = metrics.create_functional_metric_fns(metrics_constructor)
    return FunctionalModel(
        initial_weights=weights,
        predict_on_batch_fn=predict_on_batch,
        loss_fn=loss,
        metrics_fns=metrics_fns,
        input_spec=spec,
    )


def _made(keras_model: Any) -> Any:
    """The Keras model that was given, or that the given function makes."""
    made = keras_model
    if not frameworks.is_keras_model(keras_model) and not frameworks.is_legacy_keras(keras_model):
        if not callable(keras_model):
            raise errors.ModelValueError(
                f"{_NAME} cannot make a model of this.",
                problems=[
                    "keras_model: expected a `keras.Model`, or a function that makes one, got "
                    f"{descriptions.described(keras_model)}"
                ],
                fix="give the Keras model, as `keras.Sequential([...])` makes one.",
            )
        made = keras_model()
    from_keras.check_keras_model(made, _NAME)
    return made


def _values_of(variables: Sequence[Any]) -> tuple[np.ndarray, ...]:
    # A variable may share its memory with the array that it gives.
    return tuple(np.array(variable.numpy()) for variable in variables)


def _checked_loss(loss_fn: Any) -> Callable[[Any, Any, Any], Any]:
    if from_keras.is_loss(loss_fn):
        from_keras.check_reduced([loss_fn], _NAME)
    problem = _problem_of_loss(loss_fn)
    if problem is not None:
        raise errors.ModelError(
            f"{_NAME} needs a loss.",
            problems=[f"loss_fn: {problem}"],
            signature="(y_true, y_pred, sample_weight=None) -> loss of the batch",
            fix="give an instance, for example `keras.losses.MeanSquaredError()`.",
        )

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        return loss_fn(y_true=label, y_pred=output, sample_weight=sample_weight)

    return loss


def _problem_of_loss(loss_fn: Any) -> str | None:
    if isinstance(loss_fn, type) or not callable(loss_fn):
        return f"got {descriptions.described(loss_fn)}"
    try:
        inspect.signature(loss_fn).bind(y_true=None, y_pred=None, sample_weight=None)
    except TypeError as error:
        return str(error)
    return None


class _KerasCall:
    """A Keras model as a function of the values of its variables."""

    def __init__(self, keras_model: Any) -> None:
        self._model = keras_model
        others = keras_model.non_trainable_variables
        self.trainable: list[Any] = list(keras_model.trainable_variables)
        self.non_trainable = [v for v in others if not frameworks.is_seed_state(v)]
        self._seeds = [v for v in others if frameworks.is_seed_state(v)]
        self.updated: list[Any] = []
        self.has_losses = False

    def predict(self, model_weights: Any, x: Any, training: bool) -> Any:
        """Calls the model; notes what it changes, and whether it adds to the loss."""
        from tensorflow_federated.learning.models import keras_model, runners

        trainable, non_trainable = model_weights
        mapping = [
            *_paired(self.trainable, trainable, "trainable"),
            *_paired(self.non_trainable, non_trainable, "non-trainable"),
            *[(seed, _drawn(seed)) for seed in self._seeds],
        ]
        with runners.stateless_scope(mapping) as scope:
            outputs = self._model(keras_model.arrange_inputs(self._model, x), training=training)
            self.has_losses = bool(self._model.losses)
        self.updated = [v for v in scope.updated if not frameworks.is_seed_state(v)]
        return outputs


def _drawn(seed: Any) -> Any:
    """A state for a random generator of Keras, drawn when the model is called."""
    import tensorflow as tf

    bits = tf.random.uniform(seed.shape, 0, 2**31 - 1, tf.int64)
    return tf.cast(bits, tf.as_dtype(seed.dtype))


def _paired(variables: Sequence[Any], values: Any, kind: str) -> list[tuple[Any, Any]]:
    given = trees.leaves(values)
    if len(given) != len(variables):
        raise errors.ModelValueError(
            "the weights do not fit the Keras model.",
            problems=[f"{kind} weights: expected {len(variables)}, got {len(given)}"],
            fix="give weights of the structure of `initial_weights`.",
        )
    return list(zip(variables, given, strict=True))


def _check_is_functional(call: _KerasCall, predict: Any, weights: Any, spec: Any) -> None:
    """Checks that a training step needs and changes nothing but what it is given."""
    from tensorflow_federated.learning.models import tensorflow_loops

    features, _ = batches.split(spec)
    try:
        concrete = predict.get_concrete_function(weights, features, True)
    except Exception as error:
        raise errors.ModelValueError(
            "the Keras model cannot read the features of a batch of its `input_spec`.",
            problems=[
                f"input_spec: {types.to_type(spec)}",
                f"{type(error).__name__}: {tensorflow_loops.told(error)}",
            ],
            fix="give the `element_spec` of a client's dataset of batches.",
        ) from error
    problems = [f"{v.path}: training changes it, and it is not trainable" for v in call.updated]
    if call.has_losses:
        problems.append("the layers add to the loss, and a functional model has no place for that")
    problems += [
        f"{variable.name.partition(':')[0]}: the model reads it, and it is no weight of Keras"
        for variable in concrete.variables
    ]
    if problems:
        raise errors.KerasFunctionalModelError(
            "this Keras model is no function of its weights alone.",
            problems=problems,
            fix="normalize with `keras.layers.GroupNormalization` and put regularization into "
            "`loss_fn`, or use `tff.learning.models.from_keras_model`, which takes all of this.",
        )
