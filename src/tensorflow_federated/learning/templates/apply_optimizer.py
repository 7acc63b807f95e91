"""The finalizer that applies the aggregated update with an optimizer."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import (
    containers,
    errors,
    intrinsics,
    placements,
    portable,
    tracing,
    trees,
)
from tensorflow_federated.core.type_predicates import contains
from tensorflow_federated.core.types import FederatedType, StructType, StructWithPythonType, Type
from tensorflow_federated.learning.models.model_weights import ModelWeights
from tensorflow_federated.learning.optimizers import tracing as optimizer_tracing
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates.errors import ModelWeightsTypeError
from tensorflow_federated.learning.templates.finalizers import FinalizerProcess

_NAME = "tff.learning.templates.build_apply_optimizer_finalizer"

RejectUpdate = Callable[[Any, Any], tuple[Any, "collections.OrderedDict[str, Any] | None"]]


def reject_non_finite_update(
    state: Any, update: Any
) -> tuple[Any, collections.OrderedDict[str, Any]]:
    """Rejects an update that holds an infinite number or NaN.

    Args:
      state: the state of the optimizer; not used.
      update: the aggregated update, a structure of arrays.

    Returns:
      Whether to reject the update, a bool, and the measurements ``<update_non_finite=int32>``: 1 if
      it is rejected, else 0.

    Examples:
      >>> import numpy as np
      >>> reject, measurements = reject_non_finite_update((), [np.float32([1.0, np.nan])])
      >>> bool(reject), int(measurements["update_non_finite"])
      (True, 1)
    """
    del state
    xp = portable.namespace_of(update)
    is_finite = xp.asarray(True)
    for leaf in trees.leaves(update):
        is_finite = xp.logical_and(is_finite, xp.all(xp.isfinite(leaf)))
    reject = xp.logical_not(is_finite)
    return reject, collections.OrderedDict(update_non_finite=xp.cast(reject, "int32"))


@errors.boundary
def build_apply_optimizer_finalizer(
    optimizer_fn: Optimizer[Any, Any, Any],
    model_weights_type: StructType,
    should_reject_update: RejectUpdate = reject_non_finite_update,
) -> FinalizerProcess:
    """Builds the finalizer that steps the trainable weights against the aggregated update.

    The update is a model delta, initial - final, and so serves as the gradient of the step:
    ``trainable <- optimizer(trainable, update)``. The weights that are not trainable stay. If the
    update is rejected, the weights and the state of the optimizer stay as they are.

    State: that of the optimizer. Measurements: what `should_reject_update` returns, by default
    ``<update_non_finite=int32>``. Hyperparameters: those of the optimizer.

    Args:
      optimizer_fn: the optimizer of the server.
      model_weights_type: the type of the model weights, a `tff.learning.models.ModelWeights`.
      should_reject_update: a function from the state of the optimizer and the update to whether to
        reject it, a scalar bool, and to measurements by name, or None.

    Returns:
      The process.

    Raises:
      OptimizerTypeError: if `optimizer_fn` is no `tff.learning.optimizers.Optimizer`.
      ModelWeightsTypeError: if `model_weights_type` is not the type of model weights.

    Examples:
      >>> import tensorflow_federated as tff, numpy as np
      >>> weights_type = tff.StructWithPythonType(
      ...     [("trainable", [np.float32]), ("non_trainable", [])], tff.learning.models.ModelWeights
      ... )
      >>> process = tff.learning.templates.build_apply_optimizer_finalizer(
      ...     tff.learning.optimizers.build_sgdm(1.0), weights_type
      ... )
      >>> print(process.next.type_signature.result.measurements)
      <update_non_finite=int32>@SERVER

    Source: Reddi et al. (2021), "Adaptive Federated Optimization", arXiv:2003.00295, Algorithm 1
    (FedOpt), its ServerOpt; there the delta is final - initial, and its negative the gradient.

    Differs from TFF: `should_reject_update` may return None for no measurements.
    """
    optimizer = check_optimizer(optimizer_fn, "optimizer_fn", _NAME)
    weights_type = _checked_weights_type(model_weights_type)
    trainable_type = weights_type["trainable"]
    framework = optimizer.framework
    if framework == "portable" and should_reject_update is not reject_non_finite_update:
        framework = "tensorflow"
    local = optimizer_tracing.decorator_for(framework)
    initialize_optimizer, get_hparams, set_hparams = optimizer_tracing.trace_optimizer(
        optimizer, trainable_type
    )
    state_type = initialize_optimizer.type_signature.result

    def step(state: Any, weights: Any, update: Any) -> Any:
        update = _in_form_of(update, weights.trainable)
        reject, measurements = should_reject_update(state, update)
        next_state, trainable = optimizer.next(state, weights.trainable, update)
        xp = portable.namespace_of(state, weights, update)
        reject = xp.asarray(reject)

        def keep_if_rejected(old: Any, new: Any) -> Any:
            new = xp.asarray(new)
            return xp.where(reject, xp.asarray(old, xp.dtype_of(new)), new)

        return (
            trees.map_structure(keep_if_rejected, state, next_state),
            ModelWeights(
                trees.map_structure(keep_if_rejected, weights.trainable, trainable),
                weights.non_trainable,
            ),
            collections.OrderedDict() if measurements is None else measurements,
        )

    apply = local(step, state_type, weights_type, trainable_type)

    def initialize() -> Any:
        return intrinsics.federated_eval(initialize_optimizer, placements.SERVER)

    def finalize(state: Any, weights: Any, update: Any) -> Any:
        next_state, next_weights, measurements = intrinsics.federated_map(
            apply, (state, weights, update)
        )
        return templates.MeasuredProcessOutput(next_state, next_weights, measurements)

    def at_server(member: Type) -> FederatedType:
        return FederatedType(member, placements.SERVER)

    return FinalizerProcess(
        tracing.federated_computation(initialize),
        tracing.federated_computation(
            finalize, at_server(state_type), at_server(weights_type), at_server(trainable_type)
        ),
        get_hparams_fn=get_hparams,
        set_hparams_fn=set_hparams,
    )


def _in_form_of(update: Any, trainable: Any) -> Any:
    """The update in the Python containers of the weights, as optimizers expect it."""
    if containers.unpack(trainable) is None:
        return update
    return trees.pack_like(trainable, trees.leaves(update))


def _checked_weights_type(weights_type: Any) -> StructType:
    elements = list(weights_type.items()) if isinstance(weights_type, StructType) else []
    is_weights = [name for name, _ in elements] == ["trainable", "non_trainable"]
    if not is_weights or contains(weights_type, lambda part: isinstance(part, FederatedType)):
        raise ModelWeightsTypeError(
            f"`{_NAME}` needs the type of model weights, without placement.",
            problems=[
                "model_weights_type: expected <trainable=...,non_trainable=...>, got "
                f"{weights_type!s:.200}"
            ],
            fix="give tff.learning.models.weights_type_from_model(model_fn).",
        )
    return StructWithPythonType(elements, ModelWeights)
