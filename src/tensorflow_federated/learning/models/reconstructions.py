"""What algorithms have to know of a reconstruction model, whatever framework it is written in."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.learning import descriptions
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.models.dataset_splits import DatasetSplit
from tensorflow_federated.learning.models.functional_reconstruction import (
    FunctionalReconstructionModel,
)
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.models.reconstruction_model import (
    ReconstructionDatasetSplitFn,
    ReconstructionModel,
)
from tensorflow_federated.learning.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from tensorflow_federated.learning.models.reconstruction_loops import ModelParts

AnyOptimizer = Optimizer[Any, Any, Any]
Weighting = ClientWeighting | Callable[[Any], Any]


class Reconstruction(Protocol):
    """A model whose local variables can be reconstructed."""

    @property
    def spec(self) -> ModelSpec:
        """The description of the model; its weights are the global ones."""
        ...

    def training(
        self,
        client_optimizer: AnyOptimizer,
        reconstruction_optimizer: AnyOptimizer,
        client_weighting: Weighting,
    ) -> ConcreteComputation:
        """What a client does in training.

        Returns:
          A computation of the type ``(<weights=W,data=B*,key=int64[2]> -> <model_delta=T,
          weight=float32,has_non_finite=bool,unfinalized_metrics=M>)``. The model delta is
          initial - final, so that it acts as a gradient; if it is not finite anywhere it is zero.
        """
        ...

    def evaluation(self, reconstruction_optimizer: AnyOptimizer) -> ConcreteComputation:
        """What a client does in an evaluation.

        Returns:
          A computation of the type ``(<weights=W,data=B*,key=int64[2]> -> M)``, M the type of the
          unfinalized metrics.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class _OfVariables:
    """A model with variables of TensorFlow."""

    parts: ModelParts
    spec: ModelSpec
    dataset_split_fn: ReconstructionDatasetSplitFn

    def training(
        self,
        client_optimizer: AnyOptimizer,
        reconstruction_optimizer: AnyOptimizer,
        client_weighting: Weighting,
    ) -> ConcreteComputation:
        from tensorflow_federated.learning.models import reconstruction_loops

        return reconstruction_loops.trace_training(
            self.parts,
            self.spec,
            client_optimizer=client_optimizer,
            reconstruction_optimizer=reconstruction_optimizer,
            dataset_split_fn=self.dataset_split_fn,
            client_weighting=client_weighting,
        )

    def evaluation(self, reconstruction_optimizer: AnyOptimizer) -> ConcreteComputation:
        from tensorflow_federated.learning.models import reconstruction_loops

        return reconstruction_loops.trace_evaluation(
            self.parts,
            self.spec,
            reconstruction_optimizer=reconstruction_optimizer,
            dataset_split_fn=self.dataset_split_fn,
        )


def describe(
    model_fn: Any,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], Any] | None,
    dataset_split_fn: ReconstructionDatasetSplitFn | None,
    *,
    counts_examples: bool = False,
) -> Reconstruction:
    """Finds out what an algorithm has to know of a model.

    Args:
      model_fn: makes the model.
      loss_fn: makes its loss.
      metrics_fn: makes its metrics; None for none.
      dataset_split_fn: splits the data of a client; into batches with even and with odd numbers if
        None.
      counts_examples: whether the metric `loss` of a model of TensorFlow is the mean over examples,
        instead of batches.

    Returns:
      The description.

    Raises:
      ModelError: if a function does not make what it is for.
      ModelValueError: if two metrics have one name, or variables were made elsewhere.
    """
    if dataset_split_fn is None:
        dataset_split_fn = ReconstructionModel.build_dataset_split_fn(split_dataset=True)
    if not callable(dataset_split_fn):
        raise errors.ModelError(
            "`dataset_split_fn` is not a function.",
            problems=[f"dataset_split_fn: got {descriptions.described(dataset_split_fn)}"],
            signature="(tf.data.Dataset -> (tf.data.Dataset, tf.data.Dataset))",
            fix="make one with `tff.learning.models.ReconstructionModel.build_dataset_split_fn`.",
        )
    if isinstance(model_fn, FunctionalReconstructionModel):
        from tensorflow_federated.learning.models import jax_reconstruction

        split = _declared_split(dataset_split_fn)
        return jax_reconstruction.describe(model_fn, loss_fn, metrics_fn, split)
    if "tensorflow" not in sys.modules and importlib.util.find_spec("tensorflow") is None:
        raise errors.missing_extra("tensorflow", "a `tff.learning.models.ReconstructionModel`")
    from tensorflow_federated.learning.models import reconstruction_loops

    parts = reconstruction_loops.ModelParts(model_fn, loss_fn, metrics_fn, counts_examples)
    return _OfVariables(parts, reconstruction_loops.describe(parts), dataset_split_fn)


def _declared_split(dataset_split_fn: ReconstructionDatasetSplitFn) -> DatasetSplit:
    """The split for a model of JAX, which does not read datasets of TensorFlow."""
    problems: list[str] = []
    simple: Any = ReconstructionModel.simple_dataset_split_fn
    if getattr(dataset_split_fn, "__func__", None) is simple.__func__:
        return DatasetSplit()
    if isinstance(dataset_split_fn, DatasetSplit):
        parts = {"recon": dataset_split_fn.first, "post_recon": dataset_split_fn.second}
        problems = [
            f"{name}_epochs: expected how many, got {part.epochs}"
            for name, part in parts.items()
            if part.epochs is None or part.epochs < 0
        ]
        if not problems:
            return dataset_split_fn
    raise errors.ModelError(
        "this `dataset_split_fn` cannot split the batches of a model of JAX.",
        problems=problems or [f"dataset_split_fn: got {descriptions.described(dataset_split_fn)}"],
        where=callsites.line_of(dataset_split_fn),
        fix="make one with `tff.learning.models.ReconstructionModel.build_dataset_split_fn`, of "
        "whole epochs.",
    )
