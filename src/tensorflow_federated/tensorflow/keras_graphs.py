"""What Keras 3 needs to be used inside computations as Keras 2 was."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import keras
import tensorflow as tf

_LARGEST_SEED = 10**9

# Makes a seed, where seeds are not to be drawn by an operation that goes on from call to call.
_make_seed: contextvars.ContextVar[Callable[[], tf.Tensor] | None] = contextvars.ContextVar(
    "_make_seed", default=None
)


@contextlib.contextmanager
def drawing_from(key: tf.Tensor) -> Iterator[None]:
    """A scope in which what Keras makes without a seed gets seeds that depend on a key alone.

    Args:
      key: two integers, a tensor of the graph that is being made.
    """
    numbers = itertools.count()

    def make_seed() -> tf.Tensor:
        own_key: Any = tf.random.fold_in(key, next(numbers))
        return tf.random.stateless_uniform([], own_key, 1, _LARGEST_SEED, tf.int64)

    token = _make_seed.set(make_seed)
    try:
        yield
    finally:
        _make_seed.reset(token)


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
    return _drawn_state(dtype or tf.int64)


def initial_value(make_value: Callable[[], Any]) -> Any:
    """What a function makes that a variable is given as its initial value.

    An initializer of Keras that was given no seed chooses one in Python when it is made: in a
    graph, each call and each client would start with the same weights. Here it draws the seed in
    the graph.

    Args:
      make_value: the function.

    Returns:
      What it returns.
    """
    initializer = inspect.getclosurevars(make_value).nonlocals.get("initializer")
    if not isinstance(initializer, keras.initializers.Initializer):
        return make_value()
    random_initializer: Any = initializer
    is_unseeded = initializer.get_config().get("seed", 0) is None
    if not is_unseeded or not isinstance(getattr(random_initializer, "seed", None), int):
        return make_value()
    chosen = random_initializer.seed
    random_initializer.seed = _SeedOfGraph()
    try:
        return make_value()
    finally:
        random_initializer.seed = chosen


class _SeedOfGraph(keras.random.SeedGenerator):
    """A generator that draws the seed of each initializer in the graph, and keeps no state."""

    def __init__(self) -> None:
        pass

    def next(self, ordered: bool = True) -> tf.Tensor:
        del ordered
        return _drawn_state(tf.uint32)


def _drawn_state(dtype: Any) -> tf.Tensor:
    make_seed = _make_seed.get()
    if make_seed is None:
        seed = tf.random.uniform([], 1, _LARGEST_SEED, tf.int64)
    else:
        seed = make_seed()
    return tf.cast(tf.stack([seed, tf.zeros_like(seed)]), dtype)


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
