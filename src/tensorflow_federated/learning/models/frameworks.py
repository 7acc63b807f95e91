"""Tells the objects of Keras and TensorFlow apart without importing either."""

from __future__ import annotations

import sys
from typing import Any


def is_keras_model(candidate: Any) -> bool:
    """Whether it is a Keras 3 model."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(candidate, keras.Model)


def is_legacy_keras(candidate: Any) -> bool:
    """Whether it, or the class that it is, is of Keras 2, as the package `tf_keras` has it."""
    cls = candidate if isinstance(candidate, type) else type(candidate)
    return any(each.__module__.partition(".")[0] == "tf_keras" for each in cls.__mro__)


def is_keras_variable(candidate: Any) -> bool:
    """Whether it is a Keras 3 variable, which wraps one of TensorFlow."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(candidate, keras.Variable)


def to_framework_variable(variable: Any) -> Any:
    """The `tf.Variable` that a Keras variable wraps; any other variable as it is."""
    return variable.value if is_keras_variable(variable) else variable


def is_seed_state(variable: Any) -> bool:
    """Whether a variable is the state of a random generator: no weight, whoever lists it.

    Keras counts the state of the generator of a `Dropout` among the non-trainable variables.
    `tf.random.Generator` keeps its state in a variable too.
    """
    name = str(variable.name).rpartition("/")[2].partition(":")[0]
    if name.startswith("seed_generator_state"):
        return tuple(variable.shape) == (2,)
    return name == "StateVar" and _is_int64(variable)


def _is_int64(variable: Any) -> bool:
    return getattr(variable.dtype, "name", variable.dtype) == "int64"
