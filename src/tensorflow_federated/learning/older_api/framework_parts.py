"""What `tff.learning.framework` held besides states and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import numpy as np

from tensorflow_federated import aggregators, templates
from tensorflow_federated.core import errors, types
from tensorflow_federated.core.types import TensorType, Type
from tensorflow_federated.learning import models
from tensorflow_federated.learning import templates as learning_templates


@attrs.frozen(eq=False)
class ClientOutput:
    """What a client computed.

    Attributes:
      weights_delta: the change of the weights.
      weights_delta_weight: how much it counts.
      model_output: what the model reports.
      optimizer_output: what the optimizer reports.
    """

    weights_delta: Any
    weights_delta_weight: Any
    model_output: Any
    optimizer_output: Any


class ParameterCount(NamedTuple):
    """How large a model is.

    Attributes:
      num_tensors: the number of its weights.
      parameters: the number of all their elements whose shapes are known.
      num_unspecified_tensors: the number of weights of unknown shapes.
    """

    num_tensors: int
    parameters: int
    num_unspecified_tensors: int


@errors.boundary
def parameter_count_from_model(model: Callable[[], Any] | Any) -> ParameterCount:
    """Counts the weights of a model.

    Args:
      model: a model, or a function that makes one.

    Returns:
      The counts.
    """
    weights_type = models.weights_type_from_model(model)
    leaves = [leaf for leaf in types.preorder(weights_type) if isinstance(leaf, TensorType)]
    sizes = [leaf.shape for leaf in leaves if leaf.shape is not None and None not in leaf.shape]
    return ParameterCount(
        len(leaves),
        sum(int(np.prod(np.asarray(size, np.int64))) for size in sizes),
        len(leaves) - len(sizes),
    )


@errors.boundary
def build_stateless_mean(*, model_delta_type: Type) -> templates.AggregationProcess:
    """Builds the weighted mean of model deltas.

    Args:
      model_delta_type: the type of a delta.

    Returns:
      The process.
    """
    return aggregators.MeanFactory().create(types.to_type(model_delta_type), TensorType(np.float32))


@errors.boundary
def build_stateless_broadcaster(
    *, model_weights_type: Type
) -> learning_templates.DistributionProcess:
    """Builds the broadcast of model weights.

    Args:
      model_weights_type: the type of the weights.

    Returns:
      The process.
    """
    return learning_templates.build_broadcast_process(types.to_type(model_weights_type))
