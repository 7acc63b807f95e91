"""Metrics that count: examples and batches. Keras is imported when one of them is first asked for.

`NumExamplesCounter` and `NumBatchesCounter` are Keras metrics, so they can be given to
`tff.learning.models.from_keras_model` as any other; every model made by it has both of them anyway.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import errors, namespaces

if TYPE_CHECKING:
    NumExamplesCounter: Any
    NumBatchesCounter: Any

__all__ = ["NumBatchesCounter", "NumExamplesCounter"]


@functools.cache
def _classes() -> dict[str, Any]:
    try:
        import keras
    except ModuleNotFoundError as error:
        raise errors.missing_extra("tensorflow", "`tff.learning.metrics`' counter") from error

    class Counter(keras.metrics.Sum):
        """A sum that `update_state` adds an integer to."""

        def __init__(self, name: str, dtype: Any = "int64") -> None:
            # Keras takes the names of dtypes; TensorFlow's and numpy's have one.
            super().__init__(name=name, dtype=getattr(dtype, "name", dtype))

        def _count(self, number: Any) -> None:
            self.total.assign(self.total + keras.ops.cast(number, self.dtype))

    @keras.saving.register_keras_serializable(package="tensorflow_federated")
    class NumExamplesCounter(Counter):
        """Counts examples: the sizes of the first dimension of what is predicted."""

        def __init__(self, name: str = "num_examples", dtype: Any = "int64") -> None:
            super().__init__(name, dtype)

        def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, y_true: Any, y_pred: Any = None, sample_weight: Any = None
        ) -> None:
            del sample_weight
            counted, *_ = keras.tree.flatten(y_true if y_pred is None else y_pred)
            shape: Any = keras.ops.shape(counted)
            self._count(shape[0])

    @keras.saving.register_keras_serializable(package="tensorflow_federated")
    class NumBatchesCounter(Counter):
        """Counts batches: how often `update_state` was called."""

        def __init__(self, name: str = "num_batches", dtype: Any = "int64") -> None:
            super().__init__(name, dtype)

        def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, y_true: Any, y_pred: Any = None, sample_weight: Any = None
        ) -> None:
            del y_true, y_pred, sample_weight
            self._count(1)

    return {
        "NumExamplesCounter": NumExamplesCounter,
        "NumBatchesCounter": NumBatchesCounter,
    }


__getattr__, __dir__ = namespaces.module_functions(
    "tff.learning.metrics", __all__, load=lambda name: _classes()[name]
)
