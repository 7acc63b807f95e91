"""The evaluation of a model by one client."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import local_intrinsics, tracing
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import SequenceType
from tensorflow_federated.learning.models import local_loops
from tensorflow_federated.learning.models.local_loops import ModelSpec


def build_local_evaluation(model: ModelSpec) -> ConcreteComputation:
    """Builds the evaluation of one client: a pass over its batches, in inference mode.

    Type: ``(<weights=W,data=B*> -> M)``, M the type of the unfinalized metrics.

    Args:
      model: the description of the model.

    Returns:
      The computation.

    Raises:
      ModelError: if the model cannot read a batch of its `input_spec`.
      ModelValueError: likewise.
    """
    loop = local_loops.build_eval_loop(model)

    def evaluate(weights: Any, data: Any) -> Any:
        start = loop.initialize(weights, local_intrinsics.random_key())
        return loop.finish(local_intrinsics.sequence_reduce(data, start, loop.step))

    return tracing.federated_computation(
        evaluate, model.weights_type, SequenceType(model.batch_type)
    )
