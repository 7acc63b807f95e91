"""Evaluation of models of which a part never leaves the clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorflow_federated import templates as process_templates
from tensorflow_federated.core import errors, local_intrinsics, tracing
from tensorflow_federated.core.types import SequenceType
from tensorflow_federated.learning import optimizers, templates
from tensorflow_federated.learning.metrics.summation_process import SumThenFinalizeFactory
from tensorflow_federated.learning.models import reconstructions
from tensorflow_federated.learning.models.functional_reconstruction import (
    FunctionalReconstructionModel,
)
from tensorflow_federated.learning.models.reconstruction_model import (
    ReconstructionDatasetSplitFn,
    ReconstructionModel,
)
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, evaluation_work

_NAME = "tff.learning.algorithms.build_fed_recon_eval"
_OPTIMIZER = optimizers.build_sgdm(learning_rate=0.1)


@errors.boundary
def build_fed_recon_eval(
    model_fn: Callable[[], ReconstructionModel] | FunctionalReconstructionModel,
    *,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], Any] | None = None,
    reconstruction_optimizer_fn: Optimizer[Any, Any, Any] = _OPTIMIZER,
    dataset_split_fn: ReconstructionDatasetSplitFn | None = None,
    model_distributor: templates.DistributionProcess | None = None,
    metrics_aggregation_process: process_templates.AggregationProcess | None = None,
) -> templates.LearningProcess:
    """Builds the evaluation of a model that clients reconstruct a part of.

    In each round the server sends the global variables to the clients of the cohort. A client
    splits its data in two, initializes its local variables, takes a step of the reconstruction
    optimizer for each batch of the first part, with the global variables fixed, and computes loss
    and metrics on the second part, in inference mode. The global variables do not change: set them
    with `set_model_weights`. The parameters are those of `tff.learning.algorithms.build_fed_recon`.

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=G,distributor=<>,client_work=<<>,U>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<>>``, with the unfinalized
    metrics U summed over all rounds. Metrics: ``<distributor=<>,
    client_work=<eval=<current_round_metrics=...,total_rounds_metrics=...>>,
    aggregator=<mean_value=<>,mean_weight=<>>,finalizer=<>>``; `loss` is the mean of the losses of
    the batches, and `total_rounds_metrics` counts a client as often as it took part.

    Memory of a client: the variables, the state of the optimizer and one batch with its
    activations.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.ReconstructionModel`;
        it is called several times, and must make a new one each time. Or, for JAX, a
        `tff.learning.models.FunctionalReconstructionModel`.
      loss_fn: a function without arguments that makes a `keras.losses.Loss`; for JAX, the loss of a
        `tff.learning.models.FunctionalModel`.
      metrics_fn: a function without arguments that makes a list of `keras.metrics.Metric`s; for
        JAX, the three functions of `tff.learning.metrics.create_mean_metric_fns`. If None, only the
        loss is reported.
      reconstruction_optimizer_fn: the optimizer that steps the local variables.
      dataset_split_fn: splits the data of a client: for reconstruction, and for the metrics; one
        batch for each, by turns, if None.
      model_distributor: how the global variables come to the clients; a broadcast if None.
      metrics_aggregation_process: aggregates the unfinalized metrics to the pair of the metrics of
        this round and of all rounds; made by `tff.learning.metrics.SumThenFinalizeFactory` if None.

    Returns:
      The process.

    Raises:
      ModelError: if a function does not make what it is for, or `dataset_split_fn` no two datasets.
      ModelValueError: if two metrics have one name.
      OptimizerTypeError: if the optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.

    Examples:
      The prediction is g + l, with g = 0. From the first batch, l = 4 is reconstructed:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> def model_fn():
      ...     shared = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
      ...     own = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
      ...     one = tf.keras.Input((1,))
      ...     return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
      ...         tf.keras.Model(one, tf.keras.layers.Add()([shared(one), own(one)])),
      ...         global_layers=[shared],
      ...         local_layers=[own],
      ...         input_spec=(tf.TensorSpec([None, 1]), tf.TensorSpec([None, 1])),
      ...     )
      >>> process = tff.learning.algorithms.build_fed_recon_eval(
      ...     model_fn,
      ...     loss_fn=lambda: tf.keras.losses.MeanSquaredError(),
      ...     reconstruction_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=0.25),
      ... )
      >>> batch = (np.ones([1, 1], np.float32), np.full([1, 1], 8.0, np.float32))
      >>> output = process.next(process.initialize(), [[batch, batch]])
      >>> float(output.metrics["client_work"]["eval"]["current_round_metrics"]["loss"])
      16.0

    Source: as of `tff.learning.algorithms.build_fed_recon`.
    """
    optimizer = check_optimizer(reconstruction_optimizer_fn, "reconstruction_optimizer_fn", _NAME)
    arguments.check_distributor(model_distributor, _NAME)
    if metrics_aggregation_process is not None:
        arguments.check_kind(
            metrics_aggregation_process,
            process_templates.AggregationProcess,
            "metrics_aggregation_process",
            _NAME,
            "make one with tff.learning.metrics.SumThenFinalizeFactory, or leave it out.",
        )
    reconstruction = reconstructions.describe(model_fn, loss_fn, metrics_fn, dataset_split_fn)
    evaluate = reconstruction.evaluation(optimizer)
    spec = reconstruction.spec

    def evaluate_client(weights: Any, data: Any) -> Any:
        return evaluate(weights, data, local_intrinsics.random_key())

    if metrics_aggregation_process is None:
        metrics_aggregation_process = SumThenFinalizeFactory(spec.metric_finalizers).create(
            spec.unfinalized_metrics_type
        )
    work = evaluation_work.build_evaluation_client_work(
        tracing.federated_computation(
            evaluate_client, spec.weights_type, SequenceType(spec.batch_type)
        ),
        metrics_aggregation_process,
    )
    return evaluation_work.compose_evaluation(
        "fed_recon_eval", spec.initial_weights, model_distributor, work
    )
