"""Finds out what an algorithm has to know of a functional model that is written in JAX.

Importing this module imports JAX.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np

from tensorflow_federated import jax as jax_backend
from tensorflow_federated.core import (
    dtypes,
    errors,
    foreign_arrays,
    trees,
    type_inference,
    type_trees,
    types,
)
from tensorflow_federated.core.types import StructType, StructWithPythonType, TensorType, Type
from tensorflow_federated.jax import precision
from tensorflow_federated.learning.models import model_sources
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.jax_passes import Forward
from tensorflow_federated.learning.models.local_loops import JaxModelSpec
from tensorflow_federated.learning.models.model_weights import ModelWeights


def describe_model(model: FunctionalModel) -> JaxModelSpec:
    """See `local_loops.describe_model`."""
    trainable, non_trainable = model.initial_weights
    weights_type = StructWithPythonType(
        [
            ("trainable", type_inference.infer_type(trainable)),
            ("non_trainable", type_inference.infer_type(non_trainable)),
        ],
        ModelWeights,
    )
    _check_trainable(weights_type["trainable"])
    # Arrays of NumPy, of the dtypes that the types name: nothing is compiled for them.
    leaves = iter(trees.leaves(model.initial_weights))
    weights = type_trees.build(weights_type, lambda leaf: _to_array(next(leaves), leaf))
    metrics_type = _metrics_type(model)
    batch_type = read_input_spec(model.input_spec)
    return JaxModelSpec(
        weights_type=weights_type,
        batch_type=batch_type,
        initial_weights=model_sources.remember(
            jax_backend.portable_computation(lambda: weights), model
        ),
        metric_finalizers=jax_backend.computation(model.finalize_metrics),
        unfinalized_metrics_type=StructWithPythonType(
            list(metrics_type.items()), collections.OrderedDict
        ),
        model=FunctionalPasses(model),
        metrics_type=metrics_type,
        uses_64_bits=precision.has_64_bits()
        or any(map(precision.asks_for_64_bits, (weights_type, metrics_type, batch_type))),
    )


class FunctionalPasses:
    """A functional model, as the loops run it."""

    def __init__(self, model: FunctionalModel) -> None:
        """Wraps a functional model of JAX."""
        self._model = model
        self.takes_key = model.takes_key
        self.initialize_metrics_state = model.initialize_metrics_state
        self.update_metrics_state = model.update_metrics_state

    def forward(
        self, weights: tuple[Any, Any], features: Any, labels: Any, *, training: bool, key: Any
    ) -> Forward:
        """See `jax_passes.JaxModel`."""
        predictions = self._model.predict_on_batch(weights, features, training, key)
        return Forward(self._model.loss(predictions, labels), predictions, weights[1])


def _to_array(value: Any, leaf: Any) -> np.ndarray:
    return np.asarray(foreign_arrays.to_plain(value), leaf.dtype)


def _check_trainable(trainable_type: Type) -> None:
    problems = [
        f"initial_weights: got trainable weights of the type {leaf}"
        for leaf in types.preorder(trainable_type)
        if isinstance(leaf, TensorType)
        and not (dtypes.is_floating(leaf.dtype) or dtypes.is_complex(leaf.dtype))
    ]
    if problems:
        raise errors.ModelError(
            "trainable weights need gradients, so they cannot be whole numbers.",
            problems=problems,
            fix="give arrays of a float dtype, or put these among the non-trainable weights.",
        )


def read_input_spec(input_spec: Any) -> StructType:
    """The type of a batch.

    Args:
      input_spec: a pair of types for features and labels, or a mapping with the names `x` and `y`,
        of what `tff.to_type` reads.

    Returns:
      The type, a structure of two elements.

    Raises:
      ModelError: if it is no structure of arrays.
      ModelValueError: if it does not have features and labels, or JAX has no such arrays.
    """

    def fail(problem: str, wrong_kind: bool = False) -> errors.FederatedError:
        error = errors.ModelError if wrong_kind else errors.ModelValueError
        return error(
            "`input_spec` does not say what features and labels a batch has.",
            problems=[f"input_spec: {problem}"],
            signature="(features, labels) or <x=features,y=labels>",
            fix="give a pair of types, for example `(tff.TensorType(np.float32, [None, 784]), "
            "tff.TensorType(np.int32, [None]))`.",
        )

    try:
        batch_type = types.to_type(input_spec)
    except errors.ToTypeError as error:
        raise fail(f"got {input_spec!r:.200}", wrong_kind=True) from error
    if not isinstance(batch_type, StructType):
        raise fail(f"expected a pair, got {batch_type}", wrong_kind=True)
    if len(batch_type) != 2:
        raise fail(f"expected 2 elements, features and labels, got {len(batch_type)}")
    names = [name for name, _ in batch_type.items()]
    if any(name is not None for name in names) and set(names) != {"x", "y"}:
        raise fail(f"expected the names x and y, got {' and '.join(map(str, names))}")
    for leaf in types.preorder(batch_type):
        if not isinstance(leaf, (StructType, TensorType)):
            raise fail(f"expected arrays, got {leaf}", wrong_kind=True)
        if isinstance(leaf, TensorType) and (leaf.shape is None or dtypes.is_string(leaf.dtype)):
            raise fail(f"JAX has no arrays of the type {leaf}")
    return batch_type


def _metrics_type(model: FunctionalModel) -> StructType:
    initialize = jax_backend.computation(model.initialize_metrics_state)
    metrics_type = initialize.type_signature.result
    container = getattr(metrics_type, "python_container", None)
    if isinstance(metrics_type, StructType) and container and issubclass(container, Mapping):
        return metrics_type
    raise errors.ModelError(
        "the metrics of the functional model have no names.",
        problems=[f"state of the metrics: got {metrics_type}"],
        signature="<name=sums of the metric,...>",
        fix="return a dict, from the names of the metrics to their sums, from the first of the "
        "functions in `metrics_fns`.",
    )
