"""Adafactor: second moments of matrices as a product of their rows and columns."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.core import containers, errors, portable, trees
from tensorflow_federated.learning.optimizers import gradients as gradients_module
from tensorflow_federated.learning.optimizers import hyperparameters, leaf_updates
from tensorflow_federated.learning.optimizers.optimizer import LEARNING_RATE_KEY, Optimizer

_BETA_2_DECAY_KEY = "beta_2_decay"
_EPSILON_1_KEY = "epsilon_1"
_EPSILON_2_KEY = "epsilon_2"
_CLIP_THRESHOLD_KEY = "clip_threshold"
_RELATIVE_STEP_KEY = "relative_step"

State = dict[str, Any]


class AdafactorMoment(NamedTuple):
    """The second moment of one weight.

    Attributes:
      r: the averages of the rows, ``[..., n]`` for a weight ``[..., n, m]``; ``[0]`` if the weight
        has fewer than two dimensions.
      c: the averages of the columns, ``[..., m]``, or ``[0]``.
      v: the moment that the last step divided by, of the shape of the weight.
    """

    r: Any
    c: Any
    v: Any


containers.register_container("tff.learning.optimizers.AdafactorMoment", AdafactorMoment)


class Adafactor(Optimizer[State, Any, dict[str, Any]]):
    """Adafactor; built by `build_adafactor`."""

    framework = "portable"

    def __init__(self, hparams: dict[str, Any]) -> None:
        """Builds the optimizer; see `build_adafactor`."""
        self._hparams = hparams

    def __repr__(self) -> str:
        arguments = [f"{key}={value!r}" for key, value in self._hparams.items()]
        return f"build_adafactor({', '.join(arguments)})"

    def initialize(self, specs: Any) -> State:
        return {
            "steps": 0,
            "moments": tuple(_first_moment(spec) for spec in trees.leaves(specs)),
            "hparams": dict(self._hparams),
        }

    def next(self, state: State, weights: Any, gradients: Any) -> tuple[State, Any]:
        gradients = gradients_module.handle_indexed_slices_gradients(gradients)
        gradients_module.check_weights_gradients_match(weights, gradients)
        moments = trees.pack_like(weights, [moment.v for moment in state["moments"]])
        gradients_module.check_weights_state_match(weights, moments, "moments")
        xp = portable.namespace_of(state, weights, gradients)
        rates = _Rates(xp, state)
        moments_by_leaf = iter(state["moments"])
        next_moments: list[AdafactorMoment] = []

        def step(weight: Any, gradient: Any) -> Any:
            moment: AdafactorMoment = next(moments_by_leaf)
            if gradient is not None:
                moment, weight = _step(xp, rates, moment, weight, gradient)
            next_moments.append(moment)
            return weight

        weights = trees.map_structure(step, weights, gradients)
        return {**state, "steps": rates.steps, "moments": tuple(next_moments)}, weights

    def get_hparams(self, state: State) -> dict[str, Any]:
        return dict(state["hparams"])

    def set_hparams(self, state: State, hparams: dict[str, Any]) -> State:
        return {**state, "hparams": dict(hyperparameters.replace(state["hparams"], hparams))}


class _Rates:
    """The numbers of one step, in float32."""

    def __init__(self, xp: portable.ArrayNamespace, state: State) -> None:
        self.steps = state["steps"] + 1
        step = xp.cast(self.steps, "float32")
        numbers = {
            name: value if name == _RELATIVE_STEP_KEY else xp.cast(value, "float32")
            for name, value in state["hparams"].items()
        }
        learning_rate = numbers[LEARNING_RATE_KEY]
        root = xp.sqrt(step)
        relative = xp.minimum(learning_rate, 1.0 / root)
        self.rho = xp.where(
            xp.asarray(numbers[_RELATIVE_STEP_KEY]), relative, xp.minimum(learning_rate, root)
        )
        self.kept = 1.0 - xp.pow(step, numbers[_BETA_2_DECAY_KEY])
        self.epsilon_1 = numbers[_EPSILON_1_KEY]
        self.epsilon_2 = numbers[_EPSILON_2_KEY]
        self.clip_threshold = numbers[_CLIP_THRESHOLD_KEY]


def _step(
    xp: portable.ArrayNamespace, rates: _Rates, moment: AdafactorMoment, weight: Any, gradient: Any
) -> tuple[AdafactorMoment, Any]:
    """The next moment and value of one weight."""
    dtype, shape = xp.dtype_of(weight), tuple(int(size or 0) for size in xp.shape_of(weight))
    kept, epsilon = xp.cast(rates.kept, dtype), xp.cast(rates.epsilon_1, dtype)
    square = xp.square(gradient) + epsilon

    def blend(average: Any, new: Any) -> Any:
        return kept * average + (1.0 - kept) * new

    if len(shape) < 2:
        moment = moment._replace(v=blend(moment.v, square))
    else:
        rows = blend(moment.r, xp.sum(square, -1) / max(shape[-1], 1))
        columns = blend(moment.c, xp.sum(square, -2) / max(shape[-2], 1))
        mean_row = xp.reshape(xp.sum(rows, -1) / max(shape[-2], 1), (*shape[:-2], 1))
        scaled = xp.reshape(rows / mean_row, (*shape[:-1], 1))
        product = scaled * xp.reshape(columns, (*shape[:-2], 1, shape[-1]))
        moment = AdafactorMoment(rows, columns, product)
    update = gradient / xp.sqrt(moment.v)
    one = xp.asarray(1.0, dtype)
    excess = _root_mean_square(xp, update) / xp.cast(rates.clip_threshold, dtype)
    size = xp.maximum(xp.cast(rates.epsilon_2, dtype), _root_mean_square(xp, weight))
    alpha = size * xp.cast(rates.rho, dtype)
    return moment, weight - alpha * (update / xp.maximum(one, excess))


def _root_mean_square(xp: portable.ArrayNamespace, x: Any) -> Any:
    num_elements = math.prod(int(size or 0) for size in xp.shape_of(x))
    return xp.sqrt(xp.sum(xp.square(x)) / max(num_elements, 1))


def _first_moment(spec: Any) -> AdafactorMoment:
    shape = tuple(spec.shape)
    dtype = np.dtype(getattr(spec.dtype, "as_numpy_dtype", spec.dtype))
    if dtype.kind == "c":
        raise errors.OptimizerError(
            "Adafactor cannot step complex weights.",
            problems=[f"specs: expected floating-point weights, got {dtype}"],
            fix="use another optimizer, for example tff.learning.optimizers.build_adam.",
        )
    is_factored = len(shape) >= 2
    return AdafactorMoment(
        leaf_updates.filled(spec, shape[:-1] if is_factored else (0,), 0),
        leaf_updates.filled(spec, (*shape[:-2], shape[-1]) if is_factored else (0,), 0),
        leaf_updates.filled(spec, shape, 0),
    )


@errors.boundary
def build_adafactor(
    learning_rate: Any,
    *,
    beta_2_decay: Any = -0.8,
    epsilon_1: Any = 1e-30,
    epsilon_2: Any = 1e-3,
    clip_threshold: Any = 1.0,
    relative_step: bool = True,
) -> Optimizer[Any, Any, Any]:
    """Builds Adafactor.

    Step t = 1, 2, ... computes for each weight, with ``b = 1 - t ** beta_2_decay``, with
    ``q = g ** 2 + epsilon_1``, and with rms for the root of the mean square::

        r <- b * r + (1 - b) * (mean of each row of q)         (weights of two dimensions or more)
        c <- b * c + (1 - b) * (mean of each column of q)
        v <- (r / mean(r)) c^T
        v <- b * v + (1 - b) * q                               (weights of fewer dimensions)
        u  = g / sqrt(v);  u = u / max(1, rms(u) / clip_threshold)
        w <- w - max(epsilon_2, rms(w)) * rho * u

    with ``rho = min(learning_rate, 1 / sqrt(t))`` if `relative_step` is set, and
    ``rho = min(learning_rate, sqrt(t))`` if not.

    The state is a dict of `steps`, t (int32); of `moments`, a tuple with one named tuple of r, c
    and v for each weight, in their order; and of `hparams`, a dict of the hyperparameters, which
    are all arguments, by their names. Memory: that of the weights, and r and c; v is kept as in
    TFF, though only weights of fewer than two dimensions need it.

    Args:
      learning_rate: the largest size of a step, relative to the size of the weights; >= 0.
      beta_2_decay: how the decay of the averages comes near to 1, <= 0.
      epsilon_1: what keeps the squared gradients from 0, >= 0.
      epsilon_2: the smallest size of weights that steps are relative to, >= 0.
      clip_threshold: the largest root mean square of an update, > 0.
      relative_step: whether the learning rate falls with the number of steps.

    Returns:
      The optimizer.

    Raises:
      OptimizerError: if a hyperparameter is out of bounds, or the weights are complex.

    Examples:
      >>> import numpy as np
      >>> optimizer = build_adafactor(learning_rate=0.5)
      >>> weights = np.float32([[1.0, 1.0], [1.0, 1.0]])
      >>> state, weights = optimizer.next(optimizer.initialize(weights), weights, 4 * weights)
      >>> weights
      array([[0.5, 0.5],
             [0.5, 0.5]], dtype=float32)

    Source: Shazeer and Stern (2018), "Adafactor: Adaptive Learning Rates with Sublinear Memory
    Cost", arXiv:1804.04235, Algorithms 4 to 6. Keras takes ``min(learning_rate, 1 / sqrt(t))``
    whether `relative_step` is set or not.

    Differs from TFF: it runs inside of computations, where TFF needs the value of `relative_step`;
    `steps` stays an int32; `set_hparams` returns a state; weights may have any floating dtype.
    """
    name, check = "build_adafactor", hyperparameters.checked_number
    smallest = float(np.finfo(np.float32).tiny)
    return Adafactor(
        {
            LEARNING_RATE_KEY: check(name, LEARNING_RATE_KEY, learning_rate),
            _BETA_2_DECAY_KEY: check(
                name, _BETA_2_DECAY_KEY, beta_2_decay, low=-math.inf, high=0.0
            ),
            _EPSILON_1_KEY: check(name, _EPSILON_1_KEY, epsilon_1),
            _EPSILON_2_KEY: check(name, _EPSILON_2_KEY, epsilon_2),
            _CLIP_THRESHOLD_KEY: check(name, _CLIP_THRESHOLD_KEY, clip_threshold, low=smallest),
            _RELATIVE_STEP_KEY: bool(relative_step),
        }
    )
