"""Models that are functions of their weights."""

from __future__ import annotations

import collections
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tensorflow_federated.core import containers, errors, trees
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.models import frameworks, from_keras

if TYPE_CHECKING:
    from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

_NAME = "`tff.learning.models.FunctionalModel`"

MetricsState = Any
"""A structure of tensors, the sums behind the metrics; an `OrderedDict` by the metrics' names."""


def _no_metrics() -> MetricsState:
    return collections.OrderedDict()


def _update_no_metrics(
    state: MetricsState, labels: Any, batch_output: Any, sample_weight: Any = None
) -> MetricsState:
    del labels, batch_output, sample_weight
    return state


def _finalize_no_metrics(state: MetricsState) -> collections.OrderedDict[str, Any]:
    return state


NO_METRICS = (_no_metrics, _update_no_metrics, _finalize_no_metrics)


class FunctionalModel:
    """A model that holds no variables: its weights are arguments of its functions.

    It is a model of TensorFlow if `predict_on_batch_fn` is a `tf.function`. It is a model of JAX if
    that is a function made by `jax.jit`, or if weights are arrays of JAX: then all functions are
    plain ones on JAX arrays, and nothing needs TensorFlow.

    A federated algorithm that is given such a model reports the model's own metrics, and nothing
    when it has none. `model_from_functional` makes a model with variables of it, and with Keras
    metrics.

    Examples:
      A softmax regression in JAX. Its metrics are means over the examples:

      >>> import jax
      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @jax.jit
      ... def predict(model_weights, x, training):
      ...     (kernel, bias), _ = model_weights
      ...     return x @ kernel + bias
      >>> def cross_entropy(output, label, sample_weight=None):
      ...     logits = jax.nn.log_softmax(output)
      ...     return -jnp.mean(jnp.take_along_axis(logits, label[:, None], axis=1))
      >>> def is_right(labels, batch_output):
      ...     return jnp.argmax(batch_output.predictions, axis=1) == labels
      >>> def loss(labels, batch_output):
      ...     return batch_output.loss
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([2, 3], np.float32), np.zeros([3], np.float32)], []),
      ...     predict_on_batch_fn=predict,
      ...     loss_fn=cross_entropy,
      ...     metrics_fns=tff.learning.metrics.create_mean_metric_fns(
      ...         {"accuracy": is_right, "loss": loss}
      ...     ),
      ...     input_spec=(tff.TensorType(np.float32, [None, 2]), tff.TensorType(np.int32, [None])),
      ... )
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
      >>> batch = (np.float32([[1.0, 0.0], [0.0, 1.0]]), np.int32([2, 2]))
      >>> state, metrics = process.next(process.initialize(), [[batch], [batch, batch]])
      >>> train = metrics["client_work"]["train"]
      >>> round(float(train["loss"]), 3), round(float(train["accuracy"]), 3)
      (0.954, 0.333)

      A linear model in TensorFlow:

      >>> import tensorflow as tf
      >>> @tf.function
      ... def predict(model_weights, x, training):
      ...     (kernel,), _ = model_weights
      ...     return tf.matmul(x, kernel)
      >>> model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.zeros([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=predict,
      ...     loss_fn=lambda output, label, sample_weight: tf.reduce_mean((output - label) ** 2),
      ...     input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ... )
      >>> x, y = np.float32([[1.0]]), np.float32([[3.0]])
      >>> float(model.loss(model.predict_on_batch(model.initial_weights, x), y))
      9.0
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.5)
      >>> process = tff.learning.algorithms.build_weighted_fed_avg(model, sgd)
      >>> state, metrics = process.next(process.initialize(), [[(x, y)]])
      >>> process.get_model_weights(state).trainable
      [array([[3.]], dtype=float32)]

    Differs from TFF: models of JAX are errors there, and no function takes a random key.
    `predict_on_batch` and the other methods also run outside of graphs.
    """

    make_keras_model: Callable[[], Any] | None = None
    """Makes a new Keras model that computes the same; None if the model was made of none."""

    @errors.boundary
    def __init__(
        self,
        *,
        initial_weights: tuple[Any, Any],
        predict_on_batch_fn: Callable[[Any, Any, bool], Any],
        loss_fn: Callable[[Any, Any, Any], Any],
        metrics_fns: tuple[
            Callable[[], MetricsState],
            Callable[[MetricsState, Any, Any, Any], MetricsState],
            Callable[[MetricsState], Any],
        ] = NO_METRICS,
        input_spec: Any,
    ) -> None:
        """Puts a model together.

        Args:
          initial_weights: a pair of the trainable and the non-trainable weights, each a structure
            (mostly a sequence) of arrays or numbers.
          predict_on_batch_fn: a function of weights like `initial_weights`, the features of a
            batch, and whether the weights are being trained, a bool of Python; returns the
            predictions, a tensor or a structure whose first tensor they are. A `tf.function`, or
            one made by `jax.jit`; where weights are JAX arrays, a plain function. It may have a
            parameter `key` more: a random key of JAX, or a seed of TensorFlow, int64[2]; another
            one for each client and batch.
          loss_fn: a function of what `predict_on_batch_fn` returns, the labels, and weights of the
            examples or None; returns the loss of the batch, a scalar.
          metrics_fns: three functions: one without arguments that makes the first state of the
            metrics; one of a state, the labels, a `tff.learning.models.BatchOutput` and weights of
            the examples or None, that makes the next state; one that makes the values of the
            metrics of a state. `tff.learning.metrics.create_functional_metric_fns` gives all three.
          input_spec: the form of a batch: a pair of the features and the labels, or a mapping with
            the names `x` and `y`, of `tf.TensorSpec`s; in JAX of what `tff.to_type` reads.

        Raises:
          ModelError: if `initial_weights` is no pair, what has to be a function is none, or the
            parts of the model are of different frameworks.
          ValueMustNotBeTFError: if a weight is a tensor or a variable.
          CallableNotTensorFlowFunctionError: if `predict_on_batch_fn` is neither a `tf.function`
            nor of JAX.
        """
        self._initial_weights = checked_weights(initial_weights, "initial_weights", _NAME)
        self._framework: Literal["jax", "tensorflow"] = _framework_of(
            self._initial_weights, predict_on_batch_fn
        )
        self._predict_on_batch_fn: Any = predict_on_batch_fn
        check_callable(loss_fn, "loss_fn", _NAME)
        if self._framework == "jax":
            _check_jax_functions(predict_on_batch_fn, loss_fn, metrics_fns)
            # `training` is a bool, which the function may ask for: it is not to be traced.
            if frameworks.is_jax_function(predict_on_batch_fn):
                self._predict_on_batch_fn = with_python_bool(predict_on_batch_fn, 2)
        self._loss_fn = loss_fn
        check_metrics_fns(metrics_fns, _NAME)
        self._initialize_metrics, self._update_metrics, self._finalize_metrics = metrics_fns
        self._input_spec = input_spec

    @property
    def framework(self) -> Literal["jax", "tensorflow"]:
        """What the functions of the model are written in."""
        return self._framework

    @functools.cached_property
    def takes_key(self) -> bool:
        """Whether `predict_on_batch_fn` takes a random key."""
        predict = self._predict_on_batch_fn
        return takes_key(getattr(predict, "python_function", predict))

    @property
    def initial_weights(self) -> tuple[Any, Any]:
        """The pair of the trainable and the non-trainable weights that training starts with."""
        return self._initial_weights

    @property
    def input_spec(self) -> Any:
        """The form of a batch: features and labels."""
        return self._input_spec

    def predict_on_batch(
        self, model_weights: tuple[Any, Any], x: Any, training: bool = True, key: Any = None
    ) -> Any:
        """Predicts.

        Args:
          model_weights: the pair of the trainable and the non-trainable weights.
          x: the features of a batch.
          training: whether the weights are being trained, rather than evaluated.
          key: a random key, for a function that takes one: one of JAX, or in TensorFlow a seed,
            int64[2]; None draws one there.

        Returns:
          The predictions.
        """
        if self.takes_key:
            return self._predict_on_batch_fn(model_weights, x, training, key=key)
        return self._predict_on_batch_fn(model_weights, x, training)

    def loss(self, output: Any, label: Any, sample_weight: Any = None) -> Any:
        """Computes the loss of a batch.

        Args:
          output: what `predict_on_batch` returned.
          label: the labels of the batch.
          sample_weight: the weights of the examples; the loss function decides if None.

        Returns:
          A scalar tensor.
        """
        return self._loss_fn(output, label, sample_weight)

    def initialize_metrics_state(self) -> MetricsState:
        """Makes the state of the metrics before any example."""
        return self._initialize_metrics()

    def update_metrics_state(
        self,
        state: MetricsState,
        labels: Any,
        batch_output: BatchOutput,
        sample_weight: Any = None,
    ) -> MetricsState:
        """Takes a batch into the metrics.

        Args:
          state: the state before; it is not changed.
          labels: the labels of the batch.
          batch_output: what the model made of the batch, with `predictions`.
          sample_weight: the weights of the examples.

        Returns:
          The state after.
        """
        return self._update_metrics(state, labels, batch_output, sample_weight)

    def finalize_metrics(self, state: MetricsState) -> Any:
        """Computes the values of the metrics, by name, of a state."""
        return self._finalize_metrics(state)


@errors.boundary
def model_from_functional(
    functional_model: FunctionalModel, metric_constructors: Sequence[Callable[[], Any]] = ()
) -> VariableModel:
    """Makes a model with variables of a functional one.

    Its metrics are `loss`, the mean over examples, and the given Keras metrics under their own
    names; the metrics of `functional_model` are left out. Call it inside the function that a
    federated algorithm is given.

    Args:
      functional_model: the model; its initial weights are those of the variables.
      metric_constructors: functions without arguments that make `keras.metrics.Metric`s.

    Returns:
      The model.

    Raises:
      ModelError: if an argument is not of its kind.
      ModelValueError: if two metrics have one name, or the model's `input_spec` has no features
        and labels.

    Examples:
      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> functional_model = tff.learning.models.FunctionalModel(
      ...     initial_weights=([np.ones([1, 1], np.float32)], []),
      ...     predict_on_batch_fn=tf.function(lambda weights, x, training: x @ weights[0][0]),
      ...     loss_fn=lambda output, label, sample_weight: tf.reduce_mean((output - label) ** 2),
      ...     input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ... )
      >>> def model_fn():
      ...     return tff.learning.models.model_from_functional(
      ...         functional_model, [tf.keras.metrics.MeanAbsoluteError]
      ...     )
      >>> process = tff.learning.algorithms.build_fed_eval(model_fn)
      >>> client_data = [[(np.float32([[1.0], [2.0]]), np.float32([[1.0], [4.0]]))]]
      >>> _, metrics = process.next(process.initialize(), client_data)
      >>> metrics = metrics["client_work"]["eval"]["current_round_metrics"]
      >>> float(metrics["loss"]), float(metrics["mean_absolute_error"])
      (2.0, 1.0)
    """
    if not isinstance(functional_model, FunctionalModel):
        raise errors.ModelError(
            "`tff.learning.models.model_from_functional` needs a functional model.",
            problems=[f"functional_model: got {descriptions.described(functional_model)}"],
            fix="give a `tff.learning.models.FunctionalModel`.",
        )
    if functional_model.framework == "jax":
        raise errors.ModelError(
            "a model of JAX has no variables, and no metrics of Keras.",
            problems=["functional_model: its functions are of JAX"],
            fix="give the functional model itself to the algorithm, and its metrics as "
            "`metrics_fns`, for example of `tff.learning.metrics.create_mean_metric_fns`.",
        )
    from_keras.check_framework("`tff.learning.models.model_from_functional`")
    from tensorflow_federated.learning.models import functional_variables

    return functional_variables.with_keras_metrics(functional_model, metric_constructors)


def check_no_sample_weight(sample_weight: Any) -> None:
    """Checks that the examples are not weighted, for a loaded model, whose functions are fixed.

    Raises:
      ModelValueError: if they are.
    """
    if sample_weight is not None:
        raise errors.ModelValueError(
            "a loaded functional model takes no weights of examples.",
            problems=["sample_weight: expected None"],
            fix="leave `sample_weight` out, or use the model that was saved.",
        )


def checked_weights(weights: Any, parameter: str, owner: str) -> tuple[Any, Any]:
    """The pair of the trainable and the non-trainable weights.

    Args:
      weights: what the user gave.
      parameter: as what it was given.
      owner: to what it was given, for messages.

    Raises:
      ModelError: if it is no pair.
      ValueMustNotBeTFError: if a weight is a tensor or a variable.
    """
    elements = containers.unpack(weights)
    if elements is None or len(elements) != 2:
        got = descriptions.described(weights) if elements is None else f"{len(elements)} elements"
        raise errors.ModelError(
            f"{owner} needs trainable and non-trainable weights.",
            problems=[f"{parameter}: expected a pair, got {got}"],
            signature="(trainable, non_trainable)",
            fix=f"write `{parameter}=([kernel, bias], [])` if all are trainable.",
        )
    foreign = [
        f"{parameter}: got {descriptions.with_article(type(leaf).__name__)}"
        for leaf in trees.leaves(weights)
        if frameworks.is_tensorflow_value(leaf)
    ]
    if foreign:
        raise errors.ValueMustNotBeTFError(
            f"{owner} needs initial weights that are arrays.",
            problems=foreign,
            fix="take their values: `tensor.numpy()`.",
        )
    (_, trainable), (_, non_trainable) = elements
    return trainable, non_trainable


def _framework_of(weights: tuple[Any, Any], predict: Any) -> Literal["jax", "tensorflow"]:
    has_jax_arrays = any(frameworks.is_jax_array(leaf) for leaf in trees.leaves(weights))
    if frameworks.is_tensorflow_function(predict):
        if has_jax_arrays:
            raise _mixed(["initial_weights: got arrays of JAX"], "a `tf.function`")
        return "tensorflow"
    if callable(predict) and (has_jax_arrays or frameworks.is_jax_function(predict)):
        return "jax"
    raise errors.CallableNotTensorFlowFunctionError(
        f"{_NAME} needs a `tf.function` that predicts, or a model of JAX.",
        problems=[f"predict_on_batch_fn: got {descriptions.described(predict)}"],
        signature="(model_weights, x, training) -> predictions",
        fix="decorate it with `@tf.function`; or with `@jax.jit` if it is written in JAX.",
    )


def with_python_bool(predict: Any, position: int) -> Any:
    """The same function, compiled for each value of `training`, the argument at a position."""
    import jax

    return jax.jit(inspect.unwrap(predict), static_argnums=position)


def _check_jax_functions(predict: Any, loss_fn: Any, metrics_fns: Any) -> None:
    elements = containers.unpack(metrics_fns) or []
    given = [("loss_fn", loss_fn)]
    given += [(f"metrics_fns[{index}]", fn) for index, (_, fn) in enumerate(elements)]
    foreign = [
        f"{parameter}: got a `tf.function`"
        for parameter, fn in given
        if frameworks.is_tensorflow_function(fn)
    ]
    if foreign:
        raise _mixed(foreign, "of JAX")
    check_predicts(predict, ("model_weights", "x", "training"), _NAME)
    check_loss(loss_fn, _NAME)


def check_predicts(predict: Any, parameters: Sequence[str], owner: str) -> None:
    """Checks that a function of JAX predicts from some arguments, and maybe a random key.

    Raises:
      ModelError: if it takes others.
    """
    key = {"key": None} if takes_key(predict) else {}
    problem = _why_not_called(predict, len(parameters), **key)
    if problem is not None:
        raise errors.ModelError(
            f"{owner} cannot call the function that predicts.",
            problems=[f"predict_on_batch_fn: {problem}"],
            signature=f"({', '.join(parameters)}) -> predictions",
            fix="let it take the weights, the features, and whether the weights are being "
            "trained, which it may ignore.",
        )


def check_loss(loss_fn: Any, owner: str) -> None:
    """Checks that a function of JAX takes what a loss is computed of.

    Raises:
      ModelError: if it does not.
    """
    problem = _why_not_called(loss_fn, 3)
    if problem is not None:
        raise errors.ModelError(
            f"{owner} cannot call the loss.",
            problems=[f"loss_fn: {problem}"],
            signature="(output, label, sample_weight=None) -> loss of the batch",
            fix="let it take the predictions, the labels, and the weights of the examples, which "
            "it may ignore.",
        )


def _why_not_called(fn: Callable[..., Any], count: int, **keywords: Any) -> str | None:
    """Why a function does not take so many arguments; None if it does, or that is not known."""
    try:
        inspect.signature(fn).bind(*[None] * count, **keywords)
    except TypeError as error:
        return str(error)
    except ValueError:
        # Some built-in callables have no signature.
        return None
    return None


def _mixed(problems: list[str], predict: str) -> errors.ModelError:
    return errors.ModelError(
        "the parts of the model are of different frameworks.",
        problems=[f"predict_on_batch_fn: is {predict}", *problems],
        fix="write the whole model in one framework, with arrays of NumPy as weights.",
    )


def takes_key(predict: Callable[..., Any]) -> bool:
    """Whether a function that predicts takes a random key."""
    try:
        return "key" in inspect.signature(predict).parameters
    except ValueError:
        # Some built-in callables have no signature.
        return False


def check_callable(fn: Any, parameter: str, owner: str) -> None:
    """Checks that what was given as a function is one.

    Raises:
      ModelError: if it is none.
    """
    if not callable(fn):
        raise errors.ModelError(
            f"{owner} cannot call what it is given.",
            problems=[f"{parameter}: expected a function, got {descriptions.described(fn)}"],
            fix="give a function.",
        )


def takes_no_arguments(fn: Any) -> bool:
    """Whether something is a function that can be called without arguments, as far as is known."""
    return callable(fn) and _why_not_called(fn, 0) is None


def check_metrics_fns(metrics_fns: Any, owner: str) -> None:
    """Checks that metrics are three functions.

    Raises:
      ModelError: if they are not.
    """
    elements = containers.unpack(metrics_fns)
    if elements is None or len(elements) != 3:
        raise errors.ModelError(
            f"{owner} needs three functions for its metrics.",
            problems=[f"metrics_fns: got {descriptions.described(metrics_fns)}"],
            signature="(initialize, update, finalize)",
            fix="give what `tff.learning.metrics.create_functional_metric_fns` returns, or leave "
            "it out.",
        )
    for index, (_, fn) in enumerate(elements):
        check_callable(fn, f"metrics_fns[{index}]", owner)
