"""Transformations of optax as optimizers. Importing this module imports neither optax nor JAX."""

from __future__ import annotations

import collections
import contextlib
import sys
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from tensorflow_federated.core import errors, portable, trees
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.optimizers import gradients as gradients_module
from tensorflow_federated.learning.optimizers import hyperparameters
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, OptimizerTypeError

_HPARAMS_FIELD = "hyperparams"
_SCHEDULES_FIELD = "hyperparams_states"

Hparams = collections.OrderedDict[str, Any]


class OptaxOptimizer(Optimizer[Any, Any, Hparams]):
    """A transformation of optax; built by `from_optax`."""

    framework = "jax"

    def __init__(self, transformation: Any) -> None:
        """Builds the optimizer; see `from_optax`."""
        self._transformation = transformation

    def initialize(self, specs: Any) -> Any:
        from tensorflow_federated.jax import precision

        is_double = any(_dtype_of(spec).itemsize == 8 for spec in trees.leaves(specs))
        with precision.with_64_bits(True) if is_double else contextlib.nullcontext():
            return self._transformation.init(trees.map_structure(_zeros, specs))

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        gradients_module.check_weights_gradients_match(weights, gradients)
        xp = _jax_namespace()

        def or_zeros(weight: Any, gradient: Any) -> Any:
            return xp.zeros_like(weight) if gradient is None else gradient

        given = trees.map_structure(or_zeros, weights, gradients)
        updates, next_state = self._transformation.update(given, state, weights)

        def step(weight: Any, gradient: Any, update: Any) -> Any:
            if gradient is None:
                return weight
            return weight + xp.asarray(update, xp.dtype_of(weight))

        return next_state, trees.map_structure(step, weights, gradients, updates)

    def get_hparams(self, state: Any) -> Hparams:
        scheduled = cast("Mapping[str, Any]", getattr(state, _SCHEDULES_FIELD, {}))
        found = cast("Mapping[str, Any]", getattr(state, _HPARAMS_FIELD, {}))
        return collections.OrderedDict(
            (name, value) for name, value in found.items() if name not in scheduled
        )

    def set_hparams(self, state: Any, hparams: Hparams) -> Any:
        if not hparams:
            return state
        known = hyperparameters.replace(self.get_hparams(state), hparams)
        xp = _jax_namespace()
        before = cast("Mapping[str, Any]", getattr(state, _HPARAMS_FIELD))
        after = {
            name: xp.asarray(known[name], xp.dtype_of(value)) if name in known else value
            for name, value in before.items()
        }
        return state._replace(**{_HPARAMS_FIELD: after})


def _jax_namespace() -> portable.ArrayNamespace:
    from tensorflow_federated.jax import namespace

    return namespace.JaxNamespace()


def _zeros(spec: Any) -> Any:
    return _jax_namespace().zeros(tuple(int(size) for size in spec.shape), _dtype_of(spec))


def _dtype_of(spec: Any) -> np.dtype[Any]:
    return np.dtype(getattr(spec.dtype, "as_numpy_dtype", spec.dtype))


def is_transformation(candidate: Any) -> bool:
    """Whether it is a transformation of optax.

    Examples:
      >>> is_transformation(3)
      False
    """
    optax = sys.modules.get("optax")
    return optax is not None and isinstance(candidate, optax.GradientTransformation)


@errors.boundary
def from_optax(transformation: Any) -> Optimizer[Any, Any, Any]:
    """Makes an optimizer of an optax gradient transformation.

    A step computes ``u, state <- transformation.update(g, state, w)`` and ``w <- w + u``. The
    optimizer is written in JAX: it steps the weights of JAX models, and those of the server
    whatever the models are written in. A weight without gradient stays, and counts as one whose
    gradient is 0 in the state.

    The state is that of optax, in its named tuples, and so is the memory. The first state is made
    of weights that are 0, as only their form is known then; a transformation that keeps the first
    weights in its state, as averages of the weights do, keeps zeros. The hyperparameters are those
    of `optax.inject_hyperparams`, if that is the outermost transformation, without those that have
    a schedule; otherwise there are none.

    Wherever an optimizer is expected, a transformation may be given as it is too.

    Args:
      transformation: an `optax.GradientTransformation`.

    Returns:
      The optimizer.

    Raises:
      OptimizerTypeError: if it is something else.

    Examples:
      >>> import optax, numpy as np
      >>> optimizer = from_optax(optax.inject_hyperparams(optax.sgd)(learning_rate=0.5))
      >>> weights = np.float32([1.0, 2.0])
      >>> state = optimizer.initialize(weights)
      >>> list(optimizer.get_hparams(state))
      ['learning_rate']
      >>> optimizer.next(state, weights, np.float32([1.0, -1.0]))[1]
      Array([0.5, 2.5], dtype=float32)

    Source: DeepMind, "The DeepMind JAX Ecosystem" (2020); https://optax.readthedocs.io.
    """
    if not is_transformation(transformation):
        raise OptimizerTypeError(
            "`tff.learning.optimizers.from_optax` needs a transformation of optax.",
            problems=[
                "transformation: expected an optax.GradientTransformation, got "
                + descriptions.described(transformation)
            ],
            fix="give one, for example optax.adam(0.001); "
            '`pip install "tff-ng[optax]"` installs optax.',
        )
    return OptaxOptimizer(transformation)
