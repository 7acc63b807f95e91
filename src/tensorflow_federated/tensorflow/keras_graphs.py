"""What Keras 3 needs to be used inside computations as Keras 2 was."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import keras
import tensorflow as tf

_LARGEST_SEED = 10**9


def accept_tensors_as_learning_rates() -> None:
    """Lets Keras optimizers take a tensor of a graph as the learning rate, as Keras 2 did.

    Keras 3 takes numbers and functions only, so that an argument of a computation could not be one.
    Outside of graphs, nothing changes.
    """
    optimizer_class: Any = keras.optimizers.Optimizer
    build: Callable[..., None] = optimizer_class.__init__
    if hasattr(build, "takes_tensors"):
        return

    @functools.wraps(build)
    def initialize(self: Any, learning_rate: Any, *args: Any, **kwargs: Any) -> None:
        if tf.is_tensor(learning_rate) and not tf.executing_eagerly():
            tensor = learning_rate
            learning_rate = lambda: tensor  # noqa: E731
        build(self, learning_rate, *args, **kwargs)

    initialize.takes_tensors = True  # type: ignore[attr-defined]
    optimizer_class.__init__ = initialize


def drawn_seed(dtype: Any) -> tf.Tensor | None:
    """The state of a seed generator that is being made without a seed, drawn in the graph.

    Keras draws the seed in Python, when a layer such as `Dropout` is made: in a graph it would be a
    constant, and every call and every client would drop the same units.

    Args:
      dtype: the dtype of the state.

    Returns:
      A tensor of two integers; None if the generator was given a seed.
    """
    generator = _self_of(keras.random.SeedGenerator.__init__)
    if generator is None or generator.get_config()["seed"] is not None:
        return None
    seed = tf.random.uniform([], 1, _LARGEST_SEED, tf.int64)
    return tf.cast(tf.stack([seed, tf.zeros_like(seed)]), dtype or tf.int64)


def is_making_variable() -> bool:
    """Whether Keras is making a variable of its own: once, when it is first needed."""
    return _self_of(keras.Variable.__init__) is not None


def _self_of(initializer: Any) -> Any:
    """The object that an initializer is making, up the stack; None if it does not run."""
    code = initializer.__code__
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code:
            return frame.f_locals["self"]
        frame = frame.f_back
    return None
