"""The trained model of a learning process, outside of it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tensorflow_federated.core import containers, errors, trees, types
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import batches, frameworks, from_keras, model_sources
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.model_weights import ModelWeights

_ROWS = 256


@errors.boundary
def to_keras(process: Any, state: Any) -> Any:
    """Makes a Keras model with the weights that a learning process has trained.

    Args:
      process: a learning process that was built of `from_keras_model` or of
        `functional_model_from_keras`.
      state: a state of the process.

    Returns:
      A new Keras model, compiled with its loss and plain SGD: it predicts, evaluates, is saved
      and trained further like any other. Compile it again for another optimizer or metrics.

    Raises:
      TypeMismatchError: if `process` is no learning process.
      ModelValueError: if its model is none of Keras, or cannot be made again.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     dense = tf.keras.layers.Dense(1, kernel_initializer="zeros")
      ...     return tff.learning.models.from_keras_model(
      ...         tf.keras.Sequential([tf.keras.Input((1,)), dense]),
      ...         loss=tf.keras.losses.MeanSquaredError(),
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model_fn, sgd)
      >>> x, y = np.float32([[1.0]]), np.float32([[3.0]])
      >>> state, _ = process.next(process.initialize(), [[(x, y)]])
      >>> keras_model = tff.learning.to_keras(process, state)
      >>> keras_model.predict(x, verbose=0)
      array([[6.]], dtype=float32)
      >>> keras_model.evaluate(x, y, verbose=0)
      9.0
    """
    source = model_sources.source_of(process, "tff.learning.to_keras")
    weights = process.get_model_weights(state)
    keras_model = _keras_model(source)
    weights.assign_weights_to(keras_model)
    return keras_model


def _keras_model(source: Any) -> Any:
    model = source
    if not isinstance(model, FunctionalModel):
        model = source()
        compiled = getattr(model, "to_compiled_keras", None)
        if compiled is not None:
            return compiled()
        model = getattr(model, "functional_model", None)
    if isinstance(model, FunctionalModel) and model.make_keras_model is not None:
        return model.make_keras_model()
    raise errors.ModelValueError(
        "the model of this process is none of Keras.",
        problems=[f"model: {descriptions.described(source() if model is None else model)}"],
        fix="read its weights with `process.get_model_weights(state)`, or call "
        "`tff.learning.predict(process, state, x)`.",
    )


@errors.boundary
def predict(process: Any, state: Any, x: Any) -> Any:
    """Predicts with the weights that a learning process has trained.

    The model is called in inference mode, on many rows at a time.

    Args:
      process: a learning process that was built of a model, of any kind.
      state: a state of the process.
      x: the features of examples, arrays in the structure of the features in the model's
        `input_spec`; or batches, as a `tf.data.Dataset` or another iterable, each of features
        alone or together with labels, which are left out.

    Returns:
      What the model predicts: an array of NumPy, or a structure of these; its first dimension is
      that of the examples.

    Raises:
      TypeMismatchError: if `process` is no learning process.
      ModelValueError: if `x` does not have the form of the features, or there is none.

    Examples:
      >>> import jax
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=jax.jit(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight=None: ((output - label) ** 2).mean(),
      ...     input_spec=(
      ...         tff.TensorType(np.float32, [None, 1]),
      ...         tff.TensorType(np.float32, [None, 1]),
      ...     ),
      ... )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
      >>> client_data = [[(np.float32([[1.0]]), np.float32([[3.0]]))]]
      >>> state, _ = process.next(process.initialize(), client_data)
      >>> tff.learning.predict(process, state, [[2.0], [0.5]])
      array([[6. ],
             [1.5]], dtype=float32)
    """
    source = model_sources.source_of(process, "tff.learning.predict")
    weights = process.get_model_weights(state)
    if process not in _inferences:
        _inferences[process] = _Inference(source)
    inference = _inferences[process]
    predicted = [
        trees.map_structure(np.asarray, inference.call(weights, features))
        for features in _feature_batches(x, inference.features_type)
    ]
    if not predicted:
        raise errors.ModelValueError(
            "there is nothing to predict for.",
            problems=["x: has no batches"],
            fix="give arrays of features, or an iterable of batches that has not been used up.",
        )
    return trees.map_structure(lambda *parts: np.concatenate(parts), *predicted)


class _Inference:
    """A model that predicts with the weights that it is given."""

    def __init__(self, source: Any) -> None:
        self._model: Any = source if isinstance(source, FunctionalModel) else source()
        self.features_type, _ = batches.split(types.to_type(self._model.input_spec))
        predict: Any = self._predict_on_batch
        variables = [] if isinstance(self._model, FunctionalModel) else self._variables()
        if variables and all(map(frameworks.is_tensorflow_value, variables)):
            import tensorflow as tf

            # One graph for batches of all sizes.
            spec, _ = batches.split(from_keras.to_specs(types.to_type(self._model.input_spec)))
            predict = tf.function(self._predict_on_batch, input_signature=[spec])
        self._predict: Any = predict

    def call(self, weights: ModelWeights, x: Any) -> Any:
        """Predicts for one batch."""
        if isinstance(self._model, FunctionalModel):
            pair = (weights.trainable, weights.non_trainable)
            return self._model.predict_on_batch(pair, x, training=False)
        weights.assign_weights_to(self._model)
        return self._predict(x)

    def _predict_on_batch(self, x: Any) -> Any:
        return self._model.predict_on_batch(x, training=False)

    def _variables(self) -> list[Any]:
        return trees.leaves(ModelWeights.from_model(self._model))


_inferences: weakref.WeakKeyDictionary[Any, _Inference] = weakref.WeakKeyDictionary()


def _feature_batches(x: Any, features_type: Type) -> Iterator[Any]:
    """Batches of features, in the containers and dtypes of the model."""
    whole = _as_features(x, features_type)
    if whole is not None:
        rows = {len(leaf) for leaf in trees.leaves(whole)}
        if len(rows) != 1:
            raise _wrong(features_type, f"arrays of {sorted(rows)} rows")
        (count,) = rows
        for start in range(0, max(count, 1), _ROWS):
            yield trees.map_structure(lambda leaf, at=start: leaf[at : at + _ROWS], whole)
        return
    if isinstance(x, (str, bytes)) or hasattr(x, "dtype") or not isinstance(x, Iterable):
        raise _wrong(features_type, _form(x))
    for element in x:
        features = _as_features(element, features_type)
        if features is None:
            elements = containers.unpack(element)
            if elements is not None and len(elements) == 2:
                features = _as_features(batches.split(element)[0], features_type)
        if features is None:
            raise _wrong(features_type, f"a batch of {_form(element)}")
        yield features


def _as_features(value: Any, part: Type) -> Any:
    """The value as arrays in the form of a type; None if it has another form."""
    if not isinstance(part, TensorType):
        elements = containers.unpack(value)
        if elements is None:
            return None
        ordered = containers.in_order(elements, [name for name, _ in part.items()])  # pyright: ignore
        if ordered is None:
            return None
        found = [
            _as_features(each, each_type)
            for each, each_type in zip(ordered, part.children(), strict=True)
        ]
        return None if any(each is None for each in found) else containers.pack(part, found)  # pyright: ignore
    if isinstance(value, dict) or _is_iterated(value):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    if array.dtype == object and part.dtype.kind not in "USO":
        return None
    if part.shape is not None and (
        array.ndim != len(part.shape)
        or any(size not in (None, own) for size, own in zip(part.shape, array.shape, strict=True))
    ):
        return None
    return array if part.dtype.kind in "USO" else array.astype(part.dtype, copy=False)


def _is_iterated(value: Any) -> bool:
    """Whether it is something to iterate over that is no array."""
    return isinstance(value, Iterator) or hasattr(value, "element_spec")


def _form(value: Any) -> str:
    elements = containers.unpack(value)
    if elements is not None:
        return f"a structure of {len(elements)} elements"
    shape = getattr(value, "shape", None)
    if shape is None:
        return descriptions.described(value)
    return f"an array of shape {list(shape)} and dtype {getattr(value, 'dtype', '')}"


def _wrong(features_type: Type, got: str) -> errors.FederatedError:
    return errors.ModelValueError(
        "`tff.learning.predict` cannot read the features of these examples.",
        problems=[f"x: expected {features_type}, got {got}"],
        fix="give arrays of the form of the features in the model's `input_spec`, or batches of "
        "them.",
    )
