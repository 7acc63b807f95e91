"""Tells the objects of Keras, TensorFlow and JAX apart without importing any."""

from __future__ import annotations

import os
import sys
from typing import Any


def is_jax_function(candidate: Any) -> bool:
    """Whether it is a function that `jax.jit` made."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(candidate, jax.stages.Wrapped)


def is_jax_array(candidate: Any) -> bool:
    """Whether it is an array of JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(candidate, jax.Array)


def is_tensorflow_function(candidate: Any) -> bool:
    """Whether it is a function that `tf.function` made."""
    return hasattr(candidate, "get_concrete_function")


def is_tensorflow_value(candidate: Any) -> bool:
    """Whether it is a tensor or a variable of TensorFlow."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and (
        tensorflow.is_tensor(candidate) or isinstance(candidate, tensorflow.Variable)
    )


def is_keras_model(candidate: Any) -> bool:
    """Whether it is a Keras 3 model."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(candidate, keras.Model)


def is_legacy_keras(candidate: Any) -> bool:
    """Whether it, or the class that it is, is of Keras 2, as the package `tf_keras` has it."""
    cls = candidate if isinstance(candidate, type) else type(candidate)
    return any(each.__module__.partition(".")[0] == "tf_keras" for each in cls.__mro__)


def is_keras_variable(candidate: Any) -> bool:
    """Whether it is a Keras 3 variable, which wraps one of TensorFlow or an array of JAX."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(candidate, keras.Variable)


def keras_is_on_jax() -> bool:
    """Whether Keras computes with JAX; or would, where it is installed and not imported yet."""
    keras = sys.modules.get("keras")
    if keras is None:
        chosen = os.environ.get("KERAS_BACKEND")
        if chosen is not None:
            return chosen == "jax"
        if "tensorflow" in sys.modules:
            return False
        try:
            import keras
        except ModuleNotFoundError:
            # It is not there, or not the framework that it is to run on.
            return False
    return keras.backend.backend() == "jax"


def to_framework_variable(variable: Any) -> Any:
    """The `tf.Variable` that a Keras variable wraps; any other variable as it is."""
    return variable.value if is_keras_variable(variable) and not keras_is_on_jax() else variable


def to_tensor(variable: Any) -> Any:
    """The value of a Keras variable, a tensor of TensorFlow or an array of JAX."""
    if keras_is_on_jax():
        return variable.value
    # Keras would give a `tf.Variable` back as it is, and it changes.
    return sys.modules["tensorflow"].convert_to_tensor(variable.value)


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
