"""Makes a functional model of a Keras model."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import errors, trees, types
from tensorflow_federated.learning import descriptions, metrics
from tensorflow_federated.learning.metrics import metric_calls
from tensorflow_federated.learning.models import batches, frameworks, from_keras, functional
from tensorflow_federated.learning.models.functional import FunctionalModel

_NAME = "`tff.learning.models.functional_model_from_keras`"

# With many divisors, so that a model that splits or reshapes its batches can be traced.
_TRACED_ROWS = 24


@errors.boundary
def functional_model_from_keras(
    keras_model: Any, loss_fn: Any, input_spec: Any, metrics_constructor: Any = None
) -> FunctionalModel:
    """Makes a functional model of a Keras model, a loss and metrics.

    The Keras model is called on the weights that are given, and its variables are left alone. Units
    that a `Dropout` leaves out are a function of the `key` that `predict_on_batch` is given; an
    algorithm gives another one for each client and batch, and without one they are drawn anew. What
    layers add to the loss (regularizers) has no place in a functional model, and is an error.

    Args:
      keras_model: a Keras 3 model on the TensorFlow or the JAX backend, or a function without
        arguments that makes one. Its weights are the initial ones. If it is compiled, its loss,
        metrics and optimizer are not used.
      loss_fn: a `keras.losses.Loss`, or a function with the parameters `y_true`, `y_pred` and
        `sample_weight`, which is None.
      input_spec: the form of a batch, as `dataset.element_spec` gives it: a pair of the features
        and the labels, or a mapping with the names `x` and `y`.
      metrics_constructor: as `tff.learning.metrics.create_functional_metric_fns` takes it, and
        also of metrics that make their variables at their first update; no metrics if None.

    Returns:
      The model, of TensorFlow or of JAX. Its weights are tuples of arrays, in the order of Keras.
      On JAX what is random follows from the key that `predict_on_batch` takes; called without one,
      it draws the same each time.

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
    from_keras.check_keras(_NAME)
    loss = _checked_loss(loss_fn)
    specs = from_keras.tensor_specs(input_spec)
    build = _on_jax if frameworks.keras_is_on_jax() else _on_tensorflow
    weights, predict_on_batch = build(keras_model, specs)
    metrics_fns = functional.NO_METRICS
    if metrics_constructor is not None:
        metrics_fns = metrics.create_functional_metric_fns(
            _with_variables(metrics_constructor, keras_model, specs)
        )
    model = FunctionalModel(
        initial_weights=weights,
        predict_on_batch_fn=predict_on_batch,
        loss_fn=loss,
        metrics_fns=metrics_fns,
        input_spec=input_spec if frameworks.keras_is_on_jax() else specs,
    )
    model.make_keras_model = lambda: _compiled_copy(keras_model, loss_fn, specs)
    return model


def _with_variables(constructor: Any, keras_model: Any, specs: Any) -> Any:
    """Functions that make metrics which have all their variables; see `metrics_constructor`."""

    def predictions() -> Any:
        made = _made(keras_model)
        from_keras.ensure_built(made, specs)
        return from_keras.symbolic_predictions(made, specs)

    def wrapped(candidate: Any) -> Any:
        if not callable(candidate) or metric_calls.is_metric(candidate):
            # That is an error, which the metrics tell.
            return candidate
        make = cast("Callable[[], Any]", candidate)

        def make_built() -> Any:
            made = make()
            for each in made.values() if isinstance(made, Mapping) else [made]:
                if metric_calls.is_metric(each) and not metric_calls.is_legacy(each):
                    from_keras.ensure_metric_built(each, specs, predictions)
            return made

        return make_built

    if isinstance(constructor, Mapping):
        container: Any = type(constructor)
        return container((name, wrapped(make)) for name, make in constructor.items())
    return wrapped(constructor)


def _compiled_copy(keras_model: Any, loss_fn: Any, specs: Any) -> Any:
    """A new Keras model like the one that was given, with its loss and plain SGD."""
    if frameworks.is_keras_model(keras_model):
        import keras

        try:
            copy = keras.models.clone_model(keras_model)
        except Exception as error:
            raise errors.ModelValueError(
                f"the Keras model {keras_model.name!r} cannot be made again.",
                problems=[f"keras.models.clone_model: {error!s:.300}"],
                fix=f"give {_NAME} a function that makes the model.",
            ) from error
    else:
        copy = _made(keras_model)
    from_keras.ensure_built(copy, specs)
    loss = loss_fn
    if not from_keras.is_loss(loss_fn):

        def loss(y_true: Any, y_pred: Any) -> Any:
            return loss_fn(y_true=y_true, y_pred=y_pred, sample_weight=None)

    copy.compile(optimizer="sgd", loss=loss)
    return copy


def _on_tensorflow(keras_model: Any, specs: Any) -> tuple[Any, Any]:
    """The weights of a Keras model, and its predictions as a `tf.function`."""
    import tensorflow as tf

    # The model's own variables are never used, but must not belong to a graph.
    with tf.init_scope():
        made = _made(keras_model)
        from_keras.ensure_built(made, specs)
        call = _KerasCall(made)
        weights = (_values_of(call.trainable), _values_of(call.non_trainable))

        @tf.function
        def predict(model_weights: Any, x: Any, training: bool = True) -> Any:
            return call.predict(model_weights, x, training, [])

        @tf.function
        def predict_at_random(
            model_weights: Any, x: Any, training: bool = True, key: Any = None
        ) -> Any:
            seeds = [_drawn(key, index, seed) for index, seed in enumerate(call.seeds)]
            return call.predict(model_weights, x, training, seeds)

        predict_on_batch: Any = predict_at_random if call.seeds else predict
        features, _ = batches.split(specs)
        with _explained(specs):
            concrete = predict_on_batch.get_concrete_function(weights, features, True)
        hidden = [variable.name.partition(":")[0] for variable in concrete.variables]
        _check_is_functional(call, hidden)
    return weights, predict_on_batch


def _on_jax(keras_model: Any, specs: Any) -> tuple[Any, Any]:
    """The weights of a Keras model, and its predictions as a function made by `jax.jit`."""
    import jax
    import keras

    from tensorflow_federated.learning.models import keras_jax_model

    made = _made(keras_model)
    from_keras.ensure_built(made, specs)
    call = _KerasCall(made)
    weights = (_values_of(call.trainable), _values_of(call.non_trainable))

    def predict(model_weights: Any, x: Any, training: bool = True) -> Any:
        return call.predict(model_weights, x, training, [])

    def predict_at_random(
        model_weights: Any, x: Any, training: bool = True, key: Any = None
    ) -> Any:
        key = jax.random.key(0) if key is None else key
        seeds = keras_jax_model.seeds_of(key, len(call.seeds))
        return call.predict(model_weights, x, training, seeds)

    predict_on_batch = predict_at_random if call.seeds else predict
    features, _ = batches.split(specs)
    rows = keras.tree.map_structure(
        lambda leaf: jax.ShapeDtypeStruct(
            [_TRACED_ROWS if size is None else size for size in leaf.shape], leaf.dtype
        ),
        features,
    )
    with _explained(specs):
        jax.eval_shape(lambda x: predict_on_batch(weights, x, True), rows)
    _check_is_functional(call, hidden=())
    return weights, jax.jit(predict_on_batch, static_argnames="training")


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
    return tuple(np.array(variable.value) for variable in variables)


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
        self.seeds = [v for v in others if frameworks.is_seed_state(v)]
        self.updated: list[Any] = []
        self.has_losses = False

    def predict(self, model_weights: Any, x: Any, training: bool, seeds: Sequence[Any]) -> Any:
        """Calls the model; notes what it changes, and whether it adds to the loss."""
        from tensorflow_federated.learning.models import keras_model, keras_scopes

        trainable, non_trainable = model_weights
        mapping = [
            *_paired(self.trainable, trainable, "trainable"),
            *_paired(self.non_trainable, non_trainable, "non-trainable"),
            *zip(self.seeds, seeds, strict=True),
        ]
        with keras_scopes.stateless_scope(mapping) as scope:
            outputs = self._model(keras_model.arrange_inputs(self._model, x), training=training)
            self.has_losses = bool(self._model.losses)
        self.updated = [v for v in scope.updated if not frameworks.is_seed_state(v)]
        return outputs


def _drawn(key: Any, index: int, seed: Any) -> Any:
    """The state of a random generator of Keras: a function of the key, drawn if there is none."""
    import tensorflow as tf

    dtype = tf.as_dtype(seed.dtype)
    if key is None:
        return tf.cast(tf.random.uniform(seed.shape, 0, 2**31 - 1, tf.int64), dtype)
    own: Any = tf.random.fold_in(key, index)
    bits = tf.random.stateless_uniform(seed.shape, own, minval=0, maxval=2**31 - 1, dtype=tf.int64)
    return tf.cast(bits, dtype)


def _paired(variables: Sequence[Any], values: Any, kind: str) -> list[tuple[Any, Any]]:
    given = trees.leaves(values)
    if len(given) != len(variables):
        raise errors.ModelValueError(
            "the weights do not fit the Keras model.",
            problems=[f"{kind} weights: expected {len(variables)}, got {len(given)}"],
            fix="give weights of the structure of `initial_weights`.",
        )
    return list(zip(variables, given, strict=True))


@contextlib.contextmanager
def _explained(specs: Any) -> Iterator[None]:
    """What fails inside is told as a model that cannot read what it is given."""
    try:
        yield
    except Exception as error:
        raise errors.ModelValueError(
            "the Keras model cannot read the features of a batch of its `input_spec`.",
            problems=[
                f"input_spec: {types.to_type(specs)}",
                f"{type(error).__name__}: {descriptions.told(error)}",
            ],
            fix="give the `element_spec` of a client's dataset of batches.",
        ) from error


def _check_is_functional(call: _KerasCall, hidden: Sequence[str]) -> None:
    """Checks that a training step needs and changes nothing but what it is given."""
    problems = [f"{v.path}: training changes it, and it is not trainable" for v in call.updated]
    if call.has_losses:
        problems.append("the layers add to the loss, and a functional model has no place for that")
    problems += [f"{name}: the model reads it, and it is no weight of Keras" for name in hidden]
    if problems:
        raise errors.KerasFunctionalModelError(
            "this Keras model is no function of its weights alone.",
            problems=problems,
            fix="normalize with `keras.layers.GroupNormalization` and put regularization into "
            "`loss_fn`, or use `tff.learning.models.from_keras_model`, which takes all of this.",
        )
