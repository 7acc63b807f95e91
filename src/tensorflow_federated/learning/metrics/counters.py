"""Metrics that count: examples and batches. Keras is imported when one of them is first asked for.

`NumExamplesCounter` and `NumBatchesCounter` are Keras metrics, so they can be given to
`tff.learning.models.from_keras_model` as any other; every model made by it has both of them anyway.
They are of the Keras that `tf.keras` is: Keras 3, or with ``TF_USE_LEGACY_KERAS=1`` Keras 2.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import errors, namespaces

if TYPE_CHECKING:
    NumExamplesCounter: Any
    NumBatchesCounter: Any

__all__ = ["NumBatchesCounter", "NumExamplesCounter"]

_USER = "`tff.learning.metrics`' counter"


@functools.cache
def of_keras_3() -> dict[str, Any]:
    """The counters that are metrics of Keras 3, by name."""
    try:
        import keras
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", _USER) from error

    class Counter(keras.metrics.Sum):
        """A sum that `update_state` adds an integer to."""

        def __init__(self, name: str, dtype: Any = "int64") -> None:
            # Keras takes the names of dtypes; TensorFlow's and numpy's have one.
            with _64_bits():
                super().__init__(name=name, dtype=getattr(dtype, "name", dtype))

        def _count(self, number: Any) -> None:
            with _64_bits():
                self.total.assign(self.total + keras.ops.cast(number, self.dtype))

        def reset_state(self) -> None:
            with _64_bits():
                super().reset_state()

    def num_examples(counted: Any) -> Any:
        shape: Any = keras.ops.shape(keras.tree.flatten(counted)[0])
        return shape[0]

    return _classes(Counter, num_examples, keras.saving.register_keras_serializable)


@functools.cache
def of_keras_2() -> dict[str, Any]:
    """The counters that are metrics of Keras 2, from the package `tf_keras`, by name."""
    try:
        import tensorflow as tf
        import tf_keras
    except ModuleNotFoundError as error:
        raise errors.missing_extra("legacy-keras", _USER) from error
    legacy_keras: Any = tf_keras

    class Counter(legacy_keras.metrics.Sum):
        """A sum that `update_state` adds an integer to."""

        def _count(self, number: Any) -> None:
            self.total.assign_add(tf.cast(number, self.dtype))

    def num_examples(counted: Any) -> Any:
        return tf.shape(tf.nest.flatten(counted)[0])[0]

    return _classes(Counter, num_examples, legacy_keras.utils.register_keras_serializable)


def _classes(counter_class: Any, num_examples: Any, register: Any) -> dict[str, Any]:
    """The two counters.

    Args:
      counter_class: a sum with the method `_count`, which adds a number to it.
      num_examples: from labels or predictions to how many examples they are of.
      register: the decorator of classes that Keras can rebuild.
    """

    @register(package="tensorflow_federated")
    class NumExamplesCounter(counter_class):
        """Counts examples: the sizes of the first dimension of what is predicted."""

        def __init__(self, name: str = "num_examples", dtype: Any = "int64") -> None:
            super().__init__(name, dtype)

        def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
            del sample_weight
            self._count(num_examples(y_true if y_pred is None else y_pred))

    @register(package="tensorflow_federated")
    class NumBatchesCounter(counter_class):
        """Counts batches: how often `update_state` was called."""

        def __init__(self, name: str = "num_batches", dtype: Any = "int64") -> None:
            super().__init__(name, dtype)

        def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
            del y_true, y_pred, sample_weight
            self._count(1)

    return {
        "NumExamplesCounter": NumExamplesCounter,
        "NumBatchesCounter": NumBatchesCounter,
    }


def _64_bits() -> contextlib.AbstractContextManager[object]:
    """A context in which the framework of Keras has integers of 64 bits."""
    import keras

    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)


def _load(name: str) -> Any:
    # The words that TensorFlow itself looks for.
    is_legacy = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")
    return (of_keras_2 if is_legacy else of_keras_3)()[name]


__getattr__, __dir__ = namespaces.module_functions("tff.learning.metrics", __all__, load=_load)
