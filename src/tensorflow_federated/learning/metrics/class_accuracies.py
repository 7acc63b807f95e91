"""Accuracies of classes whose predictions have one dimension too many.

Keras 2 dropped a last dimension of size 1 of the predictions, if the labels had one dimension less.
Keras 3 takes it for the dimension of the classes: of one class, which is always predicted. So a
metric that reshapes predictions to ``[-1, number_of_classes, 1]`` gives the share of the labels
that are 0, and no error.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from typing import Any

from tensorflow_federated.core import errors


class MetricShapeWarning(UserWarning):
    """A Keras metric means something else under Keras 3 than it did under Keras 2.

    Warns: an `update_state` of a subclass of `keras.metrics.SparseCategoricalAccuracy` that
    reshapes the predictions to ``[-1, number_of_classes, 1]``.
    Mended: reshape them to ``[-1, number_of_classes]``.
    """


_TOLD: weakref.WeakSet[type[Any]] = weakref.WeakSet()


def prepared(metric: Any) -> Any:
    """Lets an accuracy of classes drop the last dimension, where it cannot be that of the classes.

    Args:
      metric: a metric of Keras 3.

    Returns:
      The metric. It tells with a `MetricShapeWarning`, once for a class, that it drops a dimension.
    """
    import keras

    kinds = (keras.metrics.SparseCategoricalAccuracy, keras.metrics.SparseTopKCategoricalAccuracy)
    fn: Any = getattr(metric, "_fn", None)
    if not isinstance(metric, kinds) or fn is None or _is_prepared(fn):
        return metric
    metric._fn = functools.partial(_of_classes, fn, type(metric))
    return metric


def _is_prepared(fn: Any) -> bool:
    return isinstance(fn, functools.partial) and fn.func is _of_classes


def _of_classes(fn: Any, metric_class: type[Any], y_true: Any, y_pred: Any, **options: Any) -> Any:
    """Calls what computes the accuracy of each example, on predictions that end in the classes."""
    labels, predictions = _sizes(y_true), _sizes(y_pred)
    is_surplus = (
        len(predictions) == len(labels) + 1 >= 3
        and labels[-1] == predictions[-1] == 1
        and predictions[-2] != 1
    )
    if is_surplus:
        _warn(metric_class, _shown(labels), _shown(predictions), _shown(predictions[:-1]))
        y_pred = y_pred[..., 0]
    return fn(y_true, y_pred, **options)


def _sizes(array: Any) -> tuple[int | None, ...]:
    shape = getattr(array, "shape", None)
    return () if shape is None or getattr(shape, "rank", 0) is None else tuple(shape)


def _shown(sizes: tuple[int | None, ...]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in sizes)}]"


def _warn(metric_class: type[Any], labels: str, predictions: str, mended: str) -> None:
    if metric_class in _TOLD:
        return
    told = errors.FederatedError(
        f"for Keras 3 the predictions of the metric `{metric_class.__name__}` have a dimension too "
        "many.",
        problems=[
            f"y_pred: expected {mended} next to labels of the shape {labels}, got {predictions}",
            "Keras: its own `fit` and `evaluate` would take the last dimension for one class; here "
            "it is dropped, as Keras 2 did",
        ],
        fix=f"reshape the predictions to {mended.replace('?', '-1')} in `update_state`.",
    )
    warnings.warn(str(told), MetricShapeWarning, stacklevel=2)
    # Not before: where warnings are errors, each attempt is one.
    _TOLD.add(metric_class)
