"""Makes metrics of Keras 2 that have values in the place of variables.

Keras 2 has no call of a metric on values. A metric that is made here can be used in any graph, and
changes nothing outside of it. Importing this module imports TensorFlow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class HeldValue:
    """Stands for a variable: a tensor, and another one after each assignment."""

    def __init__(self, value: tf.Tensor, name: str) -> None:
        """Starts with a value.

        Args:
          value: a tensor.
          name: the name that the variable would have.
        """
        self.held = value
        self.name = name
        self.trainable = False

    @property
    def dtype(self) -> tf.DType:
        """The dtype, which stays."""
        return self.held.dtype

    @property
    def shape(self) -> tf.TensorShape:
        """The shape as far as it is known."""
        return self.held.shape

    def assign(self, value: Any, **options: Any) -> tf.Tensor:
        """Holds another value from now on."""
        del options
        self.held = tf.convert_to_tensor(value, self.dtype)
        return self.held

    def assign_add(self, delta: Any, **options: Any) -> tf.Tensor:
        """Holds the sum from now on."""
        return self.assign(self.held + tf.convert_to_tensor(delta, self.dtype), **options)

    def assign_sub(self, delta: Any, **options: Any) -> tf.Tensor:
        """Holds the difference from now on."""
        return self.assign(self.held - tf.convert_to_tensor(delta, self.dtype), **options)

    def value(self) -> tf.Tensor:
        """The tensor that is held."""
        return self.held

    read_value = value

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return tf.convert_to_tensor(self.held, dtype, name=name)

    def __getitem__(self, key: Any) -> tf.Tensor:
        return self.held[key]


def _delegate(name: str) -> None:
    def on_tensors(*operands: Any) -> Any:
        return getattr(operator, name)(
            *(each.held if isinstance(each, HeldValue) else each for each in operands)
        )

    setattr(HeldValue, f"__{name}__", on_tensors)
    setattr(HeldValue, f"__r{name}__", lambda self, other: on_tensors(other, self))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _delegate(_name)
for _name in ("lt", "le", "gt", "ge", "neg", "abs"):
    _delegate(_name)


@tf.autograph.experimental.do_not_convert
def made(make: Callable[[], Any]) -> Any:
    """Makes metrics with values in the place of variables.

    Args:
      make: makes metrics.
    """

    def create(next_creator: Callable[..., Any], **options: Any) -> HeldValue:
        del next_creator
        initial: Any = options["initial_value"]
        start: Any = initial() if callable(initial) else initial
        value = tf.convert_to_tensor(start, options.get("dtype"))
        return HeldValue(value, str(options.get("name")))

    with tf.variable_creator_scope(create):
        return make()


def assign(metric: Any, values: Sequence[Any]) -> None:
    """Sets the values of a metric."""
    for held, value in zip(metric.variables, values, strict=True):
        held.assign(value)
