"""Models of JAX of which a part never leaves a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors
from tensorflow_federated.learning.models import frameworks, functional

_NAME = "`tff.learning.models.FunctionalReconstructionModel`"


class FunctionalReconstructionModel:
    """A model of JAX with global weights, which the server averages, and local ones, which stay.

    The sibling of `tff.learning.models.ReconstructionModel`, without variables: all weights are
    arguments of pure functions on JAX arrays. A client makes its local weights anew in each round.
    Give the model itself to `tff.learning.algorithms.build_fed_recon` or `build_fed_recon_eval`.
    There `loss_fn` and `metrics_fn` are functions without arguments that make what a
    `tff.learning.models.FunctionalModel` is given: a function of what `predict_on_batch_fn`
    returns, the labels and None; and the three functions of the metrics. The optimizers are those
    of `tff.learning.optimizers`; and `dataset_split_fn` is made by
    `ReconstructionModel.build_dataset_split_fn`.

    Examples:
      Ratings of items by a user: the vectors of the items are global, that of the user is local.

      >>> import jax
      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> def draw_user(key):
      ...     return [0.1 * jax.random.normal(key, [2])], []
      >>> def predict(global_weights, local_weights, x, training):
      ...     (items,), _ = global_weights
      ...     (user,), _ = local_weights
      ...     return items[x] @ user
      >>> model = tff.learning.models.FunctionalReconstructionModel(
      ...     initial_global_weights=([np.ones([10, 2], np.float32)], []),
      ...     initial_local_weights_fn=draw_user,
      ...     predict_on_batch_fn=predict,
      ...     input_spec=(tff.TensorType(np.int32, [None]), tff.TensorType(np.float32, [None])),
      ... )
      >>> def squared_error(output, label, sample_weight=None):
      ...     return jnp.mean((output - label) ** 2)
      >>> process = tff.learning.algorithms.build_fed_recon(model, loss_fn=lambda: squared_error)
      >>> batch = (np.int32([1, 3]), np.float32([4.0, 2.0]))
      >>> state, metrics = process.next(process.initialize(), [[batch] * 4] * 5)
      >>> [weight.shape for weight in process.get_model_weights(state).trainable]
      [(10, 2)]

    Differs from TFF: there is no such class there.
    """

    @errors.boundary
    def __init__(
        self,
        *,
        initial_global_weights: tuple[Any, Any],
        initial_local_weights_fn: Callable[[Any], tuple[Any, Any]],
        predict_on_batch_fn: Callable[..., Any],
        input_spec: Any,
    ) -> None:
        """Puts a model together.

        Args:
          initial_global_weights: a pair of the trainable and the non-trainable global weights that
            training starts with, each a structure (mostly a sequence) of arrays or numbers.
          initial_local_weights_fn: a function of a random key of JAX, another one for each client
            and round; returns such a pair of the local weights that reconstruction starts with.
          predict_on_batch_fn: a function of the global and of the local weights, the features of a
            batch, and whether weights are being trained, a bool of Python; returns the predictions,
            an array or a structure whose first array they are. It may have a parameter `key` more:
            a random key of JAX, another one for each client and batch.
          input_spec: the form of a batch: a pair of the features and the labels, or a mapping with
            the names `x` and `y`, of what `tff.to_type` reads.

        Raises:
          ModelError: if `initial_global_weights` is no pair, or what has to be a function is none,
            or one that takes other arguments.
          ValueMustNotBeTFError: if a weight is a tensor or a variable.
        """
        self._initial_global_weights = functional.checked_weights(
            initial_global_weights, "initial_global_weights", _NAME
        )
        functions = {
            "initial_local_weights_fn": initial_local_weights_fn,
            "predict_on_batch_fn": predict_on_batch_fn,
        }
        for name, fn in functions.items():
            functional.check_callable(fn, name, _NAME)
        _check_of_jax(functions)
        parameters = ("global_weights", "local_weights", "x", "training")
        functional.check_predicts(predict_on_batch_fn, parameters, _NAME)
        self._initial_local_weights_fn = initial_local_weights_fn
        self._predict_on_batch_fn: Any = predict_on_batch_fn
        if frameworks.is_jax_function(predict_on_batch_fn):
            self._predict_on_batch_fn = functional.with_python_bool(predict_on_batch_fn, 3)
        self._takes_key = functional.takes_key(predict_on_batch_fn)
        self._input_spec = input_spec

    @property
    def takes_key(self) -> bool:
        """Whether `predict_on_batch_fn` takes a random key."""
        return self._takes_key

    @property
    def initial_global_weights(self) -> tuple[Any, Any]:
        """The pair of the trainable and the non-trainable global weights at the start."""
        return self._initial_global_weights

    @property
    def input_spec(self) -> Any:
        """The form of a batch: features and labels."""
        return self._input_spec

    @property
    def initial_local_weights_fn(self) -> Callable[[Any], tuple[Any, Any]]:
        """Makes the pair of the trainable and the non-trainable local weights, of a random key."""
        return self._initial_local_weights_fn

    def predict_on_batch(
        self,
        global_weights: tuple[Any, Any],
        local_weights: tuple[Any, Any],
        x: Any,
        training: bool = True,
        key: Any = None,
    ) -> Any:
        """Predicts.

        Args:
          global_weights: the pair of the trainable and the non-trainable global weights.
          local_weights: that of the local weights.
          x: the features of a batch.
          training: whether weights are being trained, rather than evaluated.
          key: a random key of JAX, for a function that takes one.

        Returns:
          The predictions.
        """
        if self._takes_key:
            return self._predict_on_batch_fn(global_weights, local_weights, x, training, key=key)
        return self._predict_on_batch_fn(global_weights, local_weights, x, training)


def _check_of_jax(functions: dict[str, Any]) -> None:
    problems = [
        f"{name}: got a `tf.function`"
        for name, fn in functions.items()
        if frameworks.is_tensorflow_function(fn)
    ]
    if problems:
        raise errors.ModelError(
            f"{_NAME} is for functions of JAX.",
            problems=problems,
            fix="write a `tff.learning.models.ReconstructionModel` for TensorFlow.",
        )
