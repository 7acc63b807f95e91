"""The finalizer that leaves the model as it is."""

from __future__ import annotations

from typing import Any

from tensorflow_federated import templates
from tensorflow_federated.core import intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.learning.templates.finalizers import FinalizerProcess


def build_identity_finalizer(model_weights_type: Type, update_type: Type) -> FinalizerProcess:
    """Builds the finalizer that ignores the update and returns the weights as they are.

    Its state and its measurements are empty.

    Args:
      model_weights_type: the type of the model weights, without placement.
      update_type: the type of the aggregated update, without placement.

    Returns:
      The process.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = build_identity_finalizer(tff.to_type(np.float32), tff.to_type(np.int32))
      >>> float(process.next(process.initialize(), 0.5, 3).result)
      0.5
    """

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    initialize_fn = tracing.federated_computation(initialize)

    def keep(state: Any, weights: Any, update: Any) -> Any:
        del update
        nothing = intrinsics.federated_value((), placements.SERVER)
        return templates.MeasuredProcessOutput(state, weights, nothing)

    return FinalizerProcess(
        initialize_fn,
        tracing.federated_computation(
            keep,
            initialize_fn.type_signature.result,
            FederatedType(model_weights_type, placements.SERVER),
            FederatedType(update_type, placements.SERVER),
        ),
    )
