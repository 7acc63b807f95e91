"""The models of TFF's first years, which aggregate their own outputs."""

from __future__ import annotations

import abc
import collections
import functools
from collections.abc import Callable
from typing import Any

from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.computations import Computation
from tensorflow_federated.core.types import FederatedType, Type
from tensorflow_federated.learning.models.variable import BatchOutput, VariableModel

_OUTPUTS = "outputs"


class Model(VariableModel):
    """A model that may say itself how the outputs of the clients are aggregated.

    This is `tff.learning.Model` as its generations were. Until 2021 a model defined
    `report_local_outputs` and `federated_output_computation`; such a model is for
    `tff.learning.build_federated_averaging_process` and its siblings. Later it defined
    `report_local_unfinalized_metrics` and `metric_finalizers`, as a
    `tff.learning.models.VariableModel` does; such a model works everywhere.
    """

    def report_local_outputs(self) -> Any:
        """What a client reports after its last batch: a structure of tensors."""
        raise self._without_outputs("report_local_outputs")

    @property
    def federated_output_computation(self) -> Any:
        """The aggregation of what clients report: from `CLIENTS` to a structure at `SERVER`."""
        raise self._without_outputs("federated_output_computation")

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        raise self._without_metrics("report_local_unfinalized_metrics")

    def metric_finalizers(self) -> collections.OrderedDict[str, Callable[[Any], Any]]:
        raise self._without_metrics("metric_finalizers")

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        raise self._without_metrics("predict_on_batch")

    def reset_metrics(self) -> None:
        """Sets the local variables to zero."""
        import tensorflow as tf

        for variable in tf.nest.flatten(self.local_variables):
            variable.assign(tf.zeros_like(variable))

    @property
    def aggregates_outputs(self) -> bool:
        """Whether the model is of the first generation, which aggregates its own outputs."""
        defined = type(self).report_local_unfinalized_metrics
        return defined is Model.report_local_unfinalized_metrics

    def _without_metrics(self, name: str) -> errors.ModelError:
        return errors.ModelError(
            "this `tff.learning.Model` is of the generation that aggregates its own outputs.",
            problems=[f"{type(self).__name__}.{name}: is not defined"],
            fix="train it with `tff.learning.build_federated_averaging_process`; or make it a "
            "`tff.learning.models.VariableModel`, which reports sums and has finalizers for them.",
        )

    def _without_outputs(self, name: str) -> errors.ModelError:
        return errors.ModelError(
            "this `tff.learning.Model` does not say what a client reports.",
            problems=[f"{type(self).__name__}.{name}: is not defined"],
            fix="define `report_local_unfinalized_metrics` and `metric_finalizers`, as a "
            "`tff.learning.models.VariableModel` has them.",
        )


class TrainableModel(Model):
    """A `Model` that can take a step of its own on a batch.

    Federated algorithms take the steps themselves, with the optimizer that they are given.
    """

    @abc.abstractmethod
    def train_on_batch(self, batch_input: Any) -> BatchOutput:
        """Takes one step on a batch.

        Args:
          batch_input: a batch of the form of `input_spec`.

        Returns:
          As of `forward_pass`.
        """


class Adapted(VariableModel):
    """A model that aggregates its outputs, as one of today: they are one metric, `outputs`."""

    def __init__(self, model: Model) -> None:
        """Wraps a model."""
        self.older = model

    @property
    def trainable_variables(self) -> Any:
        return self.older.trainable_variables

    @property
    def non_trainable_variables(self) -> Any:
        return self.older.non_trainable_variables

    @property
    def local_variables(self) -> Any:
        return self.older.local_variables

    @property
    def input_spec(self) -> Any:
        return self.older.input_spec

    def forward_pass(self, batch_input: Any, training: bool = True) -> BatchOutput:
        return self.older.forward_pass(batch_input, training=training)

    def predict_on_batch(self, batch_input: Any, training: bool = True) -> Any:
        return self.older.predict_on_batch(batch_input, training=training)

    def report_local_unfinalized_metrics(self) -> collections.OrderedDict[str, Any]:
        return collections.OrderedDict({_OUTPUTS: self.older.report_local_outputs()})

    def metric_finalizers(self) -> collections.OrderedDict[str, Callable[[Any], Any]]:
        return collections.OrderedDict({_OUTPUTS: lambda outputs: outputs})

    def reset_metrics(self) -> None:
        self.older.reset_metrics()


def adapt(model_fn: Any) -> Any:
    """A function that makes models of today's kind of one that makes models of either.

    Args:
      model_fn: makes a `Model`, or a `tff.learning.models.VariableModel`.

    Returns:
      The function; what is no function is given back, to be refused by whoever uses it.
    """
    if not callable(model_fn) or isinstance(model_fn, VariableModel):
        return model_fn

    @functools.wraps(model_fn, updated=())
    def made() -> Any:
        model = model_fn()
        return Adapted(model) if isinstance(model, Model) and model.aggregates_outputs else model

    return made


def outputs_of(unfinalized_metrics: Any) -> Any:
    """What a model reports itself, of the unfinalized metrics of its adapted form."""
    return unfinalized_metrics[_OUTPUTS]


def build_output_aggregation(model: Adapted, unfinalized_metrics_type: Type) -> Computation:
    """The computation that aggregates what clients report, as the model says.

    Args:
      model: a model.
      unfinalized_metrics_type: the type of what one client reports.

    Returns:
      A computation from the clients' reports to a structure at the server.
    """

    def aggregate(unfinalized_metrics: Any) -> Any:
        aggregated = model.older.federated_output_computation(outputs_of(unfinalized_metrics))
        return intrinsics.federated_zip(aggregated)

    return tracing.federated_computation(
        aggregate, FederatedType(unfinalized_metrics_type, placements.CLIENTS)
    )
