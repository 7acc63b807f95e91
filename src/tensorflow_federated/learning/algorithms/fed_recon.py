"""Federated reconstruction: training of models of which a part never leaves the clients."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorflow_federated import aggregators, jax
from tensorflow_federated import templates as process_templates
from tensorflow_federated.core import (
    errors,
    intrinsics,
    local_intrinsics,
    placements,
    portable,
    tracing,
)
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import FederatedType, SequenceType, TensorType, Type
from tensorflow_federated.learning import descriptions, optimizers, templates
from tensorflow_federated.learning.client_weighting import ClientWeighting
from tensorflow_federated.learning.metrics.metric_types import MetricsAggregatorType
from tensorflow_federated.learning.metrics.summation import sum_then_finalize
from tensorflow_federated.learning.models import reconstructions
from tensorflow_federated.learning.models.functional_reconstruction import (
    FunctionalReconstructionModel,
)
from tensorflow_federated.learning.models.local_loops import ModelSpec
from tensorflow_federated.learning.models.reconstruction_model import (
    ReconstructionDatasetSplitFn,
    ReconstructionModel,
)
from tensorflow_federated.learning.optimizers.optimizer import Optimizer, check_optimizer
from tensorflow_federated.learning.templates import arguments, composers, local_training

_NAME = "tff.learning.algorithms.build_fed_recon"
_SERVER_OPTIMIZER = optimizers.build_sgdm(learning_rate=1.0)
_CLIENT_OPTIMIZER = optimizers.build_sgdm(learning_rate=0.1)


@errors.boundary
def build_fed_recon(
    model_fn: Callable[[], ReconstructionModel] | FunctionalReconstructionModel,
    *,
    loss_fn: Callable[[], Any],
    metrics_fn: Callable[[], Any] | None = None,
    server_optimizer_fn: Optimizer[Any, Any, Any] = _SERVER_OPTIMIZER,
    client_optimizer_fn: Optimizer[Any, Any, Any] = _CLIENT_OPTIMIZER,
    reconstruction_optimizer_fn: Optimizer[Any, Any, Any] = _CLIENT_OPTIMIZER,
    dataset_split_fn: ReconstructionDatasetSplitFn | None = None,
    client_weighting: ClientWeighting | Callable[[Any], Any] | None = None,
    model_distributor: templates.DistributionProcess | None = None,
    model_aggregator_factory: aggregators.WeightedAggregationFactory
    | aggregators.UnweightedAggregationFactory
    | None = None,
    metrics_aggregator: MetricsAggregatorType | None = sum_then_finalize,
) -> templates.LearningProcess:
    """Builds federated reconstruction.

    A model has global variables g, which the server keeps, and local variables l, which a client
    has for one round and nobody else ever sees. In each round the server sends g to the clients of
    the cohort. Client k

    1. splits its data into S_k (support) and Q_k (query) with `dataset_split_fn`;
    2. initializes its local variables l_k, as the model does;
    3. reconstructs: takes a step of the reconstruction optimizer for each batch of S_k, on l_k,
       with g fixed;
    4. trains: takes a step of the client optimizer for each batch of Q_k, on its copy g_k of g,
       with l_k fixed, and updates loss and metrics with what the model predicts before the step;
    5. sends its model delta ``d_k = g - g_k`` (initial - final, so that it acts as a gradient) and
       its weight n_k.

    The server computes the mean ``d = sum_k n_k d_k / sum_k n_k`` and steps g with the server
    optimizer, with d as the gradient.

    =======================  ===================================================================
    symbol                   parameter
    =======================  ===================================================================
    g, l                     the variables that the model of `model_fn` lists as global, as local
    (S_k, Q_k), R            `dataset_split_fn`: also says in how many epochs and steps
    steps on l_k, eta_r      `reconstruction_optimizer_fn`
    steps on g_k, eta_u      `client_optimizer_fn`
    n_k                      `client_weighting`: by default the number of examples of Q_k
    mean                     `model_aggregator_factory`
    server step, eta_s       `server_optimizer_fn`
    =======================  ===================================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=G,distributor=<>,client_work=<>,
    aggregator=<value_sum_process=<>,weight_sum_process=<>>,finalizer=<learning_rate=float32>>``
    with the default aggregator and an optimizer without momentum; G is a
    `tff.learning.models.ModelWeights` of the global variables. Metrics: ``<distributor=<>,
    client_work=<train=<...,loss=float32>>,aggregator=<mean_value=<>,mean_weight=<>>,
    finalizer=<update_non_finite=int32>>``: the metrics of `metrics_fn`, and `loss`, the mean of the
    losses of the batches of all Q_k.

    Memory of a client: the variables, the state of one optimizer and one batch with its
    activations. At the server: the global variables, the sum of the deltas and the state of the
    optimizer, whatever the number of clients. No state is kept at clients.

    Args:
      model_fn: a function without arguments that makes a `tff.learning.models.ReconstructionModel`;
        it is called several times, and must make a new one each time. Or, for JAX, a
        `tff.learning.models.FunctionalReconstructionModel`.
      loss_fn: a function without arguments that makes a `keras.losses.Loss`; for JAX, the loss of a
        `tff.learning.models.FunctionalModel`.
      metrics_fn: a function without arguments that makes a list of `keras.metrics.Metric`s; for
        JAX, the three functions of `tff.learning.metrics.create_mean_metric_fns`. If None, only the
        loss is reported.
      server_optimizer_fn: the optimizer of the server.
      client_optimizer_fn: the optimizer that steps the global variables at a client.
      reconstruction_optimizer_fn: the optimizer that steps the local variables.
      dataset_split_fn: splits the data of a client; one batch for S_k and one for Q_k, by turns, if
        None. See `tff.learning.models.ReconstructionModel.build_dataset_split_fn`.
      client_weighting: how much a client counts; or a function in the framework of the model from
        its unfinalized metrics, an `OrderedDict` of lists of tensors, to a number. By the number of
        its examples in Q_k if None.
      model_distributor: how the global variables come to the clients; a broadcast if None.
      model_aggregator_factory: how the deltas are averaged; `tff.aggregators.MeanFactory()` if
        None. An unweighted one needs `client_weighting=tff.learning.ClientWeighting.UNIFORM`.
      metrics_aggregator: how the metrics are aggregated; `tff.learning.metrics.sum_then_finalize`
        if None.

    Returns:
      The process.

    Raises:
      ModelError: if a function does not make what it is for, or `dataset_split_fn` no two datasets.
      ModelValueError: if the aggregator is unweighted and clients have weights; if two metrics have
        one name.
      OptimizerTypeError: if an optimizer is none of `tff.learning.optimizers`.
      TypeMismatchError: if another argument is not of its type.

    Examples:
      The prediction is g + l. With l reconstructed from the first batch, the second one is fitted:

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
      >>> sgd = tff.learning.optimizers.build_sgdm(learning_rate=0.25)
      >>> process = tff.learning.algorithms.build_fed_recon(
      ...     model_fn,
      ...     loss_fn=lambda: tf.keras.losses.MeanSquaredError(),
      ...     client_optimizer_fn=sgd,
      ...     reconstruction_optimizer_fn=sgd,
      ... )
      >>> batch = (np.ones([1, 1], np.float32), np.full([1, 1], 8.0, np.float32))
      >>> output = process.next(process.initialize(), [[batch, batch]])
      >>> process.get_model_weights(output.state).trainable
      [array([[2.]], dtype=float32)]
      >>> float(output.metrics["client_work"]["train"]["loss"])
      16.0

    Source: Singhal et al. (2021), "Federated Reconstruction: Partially Local Federated Learning",
    arXiv:2102.03448, Algorithm 1.

    Differs from the paper: the cohort of a round is given, not sampled. From TFF: a weight that
    `client_weighting` computes is cast to float32; models of JAX are errors there; what a Keras
    initializer or a `Dropout` draws at a client without a seed depends on the seed of the context.
    What a hand-written `tf.Variable(tf.random.normal(...))` draws does not: use
    `keras.initializers`.
    """
    optimizer_arguments = {
        "server_optimizer_fn": server_optimizer_fn,
        "client_optimizer_fn": client_optimizer_fn,
        "reconstruction_optimizer_fn": reconstruction_optimizer_fn,
    }
    server_optimizer, client_optimizer, reconstruction_optimizer = (
        check_optimizer(given, name, _NAME) for name, given in optimizer_arguments.items()
    )
    arguments.check_distributor(model_distributor, _NAME)
    aggregate = arguments.check_metrics_aggregator(metrics_aggregator, sum_then_finalize, _NAME)
    weighting = checked_weighting(client_weighting)
    aggregator_factory = checked_aggregator(model_aggregator_factory, weighting)
    reconstruction = reconstructions.describe(model_fn, loss_fn, metrics_fn, dataset_split_fn)
    train = reconstruction.training(client_optimizer, reconstruction_optimizer, weighting)
    spec = reconstruction.spec
    if model_distributor is None:
        model_distributor = templates.build_broadcast_process(spec.weights_type)
    return composers.compose_as(
        "fed_recon",
        spec.initial_weights,
        model_distributor,
        build_recon_work(reconstruction.spec, train, aggregate),
        aggregator_factory.create(spec.weights_type["trainable"], TensorType(np.float32)),
        templates.build_apply_optimizer_finalizer(server_optimizer, spec.weights_type),
    )


def checked_weighting(candidate: Any) -> ClientWeighting | Callable[[Any], Any]:
    """How clients are weighted: by their numbers of examples if nothing is given.

    Raises:
      TypeMismatchError: if it is neither an enumeration nor a function.
    """
    if candidate is None:
        return ClientWeighting.NUM_EXAMPLES
    if isinstance(candidate, ClientWeighting) or callable(candidate):
        return candidate
    raise errors.TypeMismatchError(
        f"`{_NAME}` cannot use this `client_weighting`.",
        problems=[
            "client_weighting: expected a ClientWeighting or a function, got "
            f"{descriptions.described(candidate)}"
        ],
        fix="give tff.learning.ClientWeighting.NUM_EXAMPLES, or a function from the unfinalized "
        "metrics of a client to a number.",
    )


def checked_aggregator(factory: Any, weighting: Any) -> aggregators.WeightedAggregationFactory:
    """What aggregates the model deltas: a weighted mean if nothing is given.

    Raises:
      ModelValueError: if it takes no weights and clients have weights.
      TypeMismatchError: if it is no factory.
    """
    if factory is None:
        return aggregators.MeanFactory()
    arguments.check_kind(
        factory,
        (aggregators.WeightedAggregationFactory, aggregators.UnweightedAggregationFactory),
        "model_aggregator_factory",
        _NAME,
        "give one of `tff.aggregators`, as tff.aggregators.MeanFactory(), or leave it out.",
    )
    if isinstance(factory, aggregators.WeightedAggregationFactory):
        return factory
    if weighting is not ClientWeighting.UNIFORM:
        raise errors.ModelValueError(
            f"`{_NAME}` cannot weigh the clients with an aggregator that takes no weights.",
            problems=[
                f"model_aggregator_factory: {descriptions.described(factory)}",
                f"client_weighting: {descriptions.described(weighting)}",
            ],
            fix="give client_weighting=tff.learning.ClientWeighting.UNIFORM, or a weighted "
            "aggregator, as tff.aggregators.MeanFactory().",
        )
    return aggregators.as_weighted_aggregator(factory)


def build_recon_work(
    spec: ModelSpec, train: ConcreteComputation, aggregate: MetricsAggregatorType
) -> templates.ClientWorkProcess:
    """Builds the client work of reconstruction, without a state; it measures `train`.

    Args:
      spec: the description of the model; its weights are the global ones.
      train: what a client does, see `reconstructions.Reconstruction`.
      aggregate: aggregates the metrics.

    Returns:
      The process.

    Raises:
      TypeMismatchError: if the weight of a client is no number.
    """
    data_type = SequenceType(spec.batch_type)
    aggregate_metrics = aggregate(spec.metric_finalizers, spec.unfinalized_metrics_type)
    trained_type: Any = train.type_signature.result
    local_training.check_weight_type(trained_type["weight"])
    weigh = jax.portable_computation(
        _weight, trained_type["weight"], trained_type["has_non_finite"]
    )

    def train_client(weights: Any, data: Any) -> Any:
        trained = train(weights, data, local_intrinsics.random_key())
        flag = local_intrinsics.reported_non_finite(trained.has_non_finite)
        return collections.OrderedDict(
            result=templates.ClientResult(trained.model_delta, weigh(trained.weight, flag)),
            unfinalized_metrics=trained.unfinalized_metrics,
        )

    train_clients = tracing.federated_computation(train_client, spec.weights_type, data_type)

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    def work(state: Any, weights: Any, client_data: Any) -> Any:
        trained = intrinsics.federated_map(train_clients, (weights, client_data))
        metrics = aggregate_metrics(trained.unfinalized_metrics)
        return process_templates.MeasuredProcessOutput(
            state,
            trained.result,
            intrinsics.federated_zip(collections.OrderedDict(train=metrics)),
        )

    initialize_fn = tracing.federated_computation(initialize)
    return templates.ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            work,
            initialize_fn.type_signature.result,
            _at_clients(spec.weights_type),
            _at_clients(data_type),
        ),
    )


def _weight(weight: Any, has_non_finite: Any) -> Any:
    """The weight of a client; 0 for a bad delta."""
    xp = portable.namespace_of(weight, has_non_finite)
    return xp.where(has_non_finite, xp.zeros_like(weight), weight)


def _at_clients(type_signature: Type) -> FederatedType:
    return FederatedType(type_signature, placements.CLIENTS)
