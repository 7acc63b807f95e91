"""The training of one client, whatever its local step: what client works are made of."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import jax, tensorflow
from tensorflow_federated.core import errors, local_intrinsics, portable, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import SequenceType, TensorType, Type
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.local_steps.local_step import LocalStep
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.local_loops import JaxModelSpec, ModelSpec
from tensorflow_federated.learning.templates.client_works import ClientResult


@dataclasses.dataclass(frozen=True, eq=False)
class LocalTraining:
    """The training of one client.

    Attributes:
      train: ``(<weights=W,shared=H,data=B*> -> <result=<update=U,update_weight=float32>,
        unfinalized_metrics=M>)``, whose result is a `ClientResult`. A client whose update is not
        finite sends zeros, with the weight 0, and reset metrics.
      shared_type: H, the type of what the server sends besides the weights.
      data_type: the type of a client's data, a sequence of batches.
    """

    train: ConcreteComputation
    shared_type: Type
    data_type: SequenceType


AnyClientWeighting = ClientWeighting | Callable[[Any], Any]
"""How much a client counts: by an enumeration, or a function of its unfinalized metrics."""


def build_local_training(
    model: ModelSpec, local_step: LocalStep, client_weighting: AnyClientWeighting
) -> LocalTraining:
    """Builds the training of one client.

    Args:
      model: the description of the model.
      local_step: what a client does with the gradients of a batch.
      client_weighting: the weight of a client's update. A function of the client's unfinalized
        metrics is traced with the framework of the model.

    Returns:
      The training.

    Raises:
      ModelError: if the model cannot read a batch of its `input_spec`, or the local step is written
        in another framework than the model.
      ModelValueError: if the model's loss is none.
    """
    loop = local_loops.build_train_loop(model, local_step)
    finished_type: Any = loop.finish.type_signature.result
    weigh = _client_weight(model, client_weighting, finished_type)
    data_type = SequenceType(model.batch_type)

    def train(weights: Any, shared: Any, data: Any) -> Any:
        start = loop.initialize(weights, shared, local_intrinsics.random_key())
        finished = loop.finish(weights, local_intrinsics.sequence_reduce(data, start, loop.step))
        has_non_finite = local_intrinsics.reported_non_finite(finished.has_non_finite)
        return collections.OrderedDict(
            result=ClientResult(finished.update, weigh(finished, has_non_finite)),
            unfinalized_metrics=finished.unfinalized_metrics,
        )

    return LocalTraining(
        tracing.federated_computation(train, model.weights_type, loop.shared_type, data_type),
        loop.shared_type,
        data_type,
    )


def _client_weight(
    model: ModelSpec, client_weighting: AnyClientWeighting, finished_type: Any
) -> Callable[[Any, Any], Any]:
    """The weight of a client, float32: 0 for a bad update."""
    of_metrics = None
    if not isinstance(client_weighting, ClientWeighting):
        local = jax.computation if isinstance(model, JaxModelSpec) else tensorflow.computation
        of_metrics = local(client_weighting, finished_type["unfinalized_metrics"])

    def unless_bad(weight: Any, has_non_finite: Any) -> Any:
        xp = portable.namespace_of(weight, has_non_finite)
        weight = xp.cast(weight, np.float32)
        if client_weighting is ClientWeighting.UNIFORM:
            weight = xp.ones_like(weight)
        return xp.where(xp.cast(has_non_finite, np.bool_), xp.zeros_like(weight), weight)

    weight_type = finished_type["num_examples"]
    if of_metrics is not None:
        weight_type = of_metrics.type_signature.result
        check_weight_type(weight_type)
    checked = jax.portable_computation(unless_bad, weight_type, finished_type["has_non_finite"])

    def weigh(finished: Any, has_non_finite: Any) -> Any:
        weight = finished.num_examples
        if of_metrics is not None:
            weight = of_metrics(finished.unfinalized_metrics)
        return checked(weight, has_non_finite)

    return weigh


def check_weight_type(weight_type: Type) -> None:
    """Checks that a function of the user weighs a client with a number.

    Raises:
      TypeMismatchError: if it gives something else.
    """
    if isinstance(weight_type, TensorType) and weight_type.shape == ():
        return
    raise errors.TypeMismatchError(
        "the function that weighs clients does not return a number.",
        problems=[f"client_weighting: expected a scalar, got {weight_type}"],
        signature="(unfinalized metrics -> float32)",
        fix="return a scalar, or give a `tff.learning.ClientWeighting`.",
    )
