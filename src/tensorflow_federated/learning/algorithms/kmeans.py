"""Federated k-means."""

from __future__ import annotations

import collections
import time
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
from tensorflow_federated.core.types import (
    FederatedType,
    SequenceType,
    StructWithPythonType,
    TensorType,
)
from tensorflow_federated.learning import templates
from tensorflow_federated.learning.algorithms import normal_draws
from tensorflow_federated.learning.templates import arguments, composers

_NAME = "tff.learning.algorithms.build_fed_kmeans"
_EXAMPLE = "write for example `build_fed_kmeans(num_clusters=3, data_shape=(2,))`."
_NO_WEIGHT = StructWithPythonType([], tuple)


@errors.boundary
def build_fed_kmeans(
    num_clusters: int,
    data_shape: tuple[int, ...],
    random_seed: tuple[int, int] | None = None,
    distributor: templates.DistributionProcess | None = None,
    sum_aggregator: aggregators.UnweightedAggregationFactory | None = None,
) -> templates.LearningProcess:
    """Builds federated k-means: mini-batch k-means on the points of the clients of a round.

    In each round the server sends the k centroids to the clients of the cohort. A client finds the
    centroid that is nearest to each of its points, the first of several, and sends for each
    centroid c the sum s_c and the number n_c of its points. The server adds these up, and moves a
    centroid that was given points to the mean of all points that it was ever given::

        centroid_c <- (v_c centroid_c + sum s_c) / (v_c + sum n_c);  v_c <- v_c + sum n_c

    The counts v_c start at 1, as if each centroid had been given the point where it starts, so that
    a cluster without points stays where it is.

    =====================  =================================================================
    symbol                 parameter, or part of the state
    =====================  =================================================================
    k                      `num_clusters`
    centroid_c             ``state.global_model_weights[c]``, which `get_model_weights` gives
    v_c                    ``state.finalizer[c]``
    sum                    `sum_aggregator`
    b (batch size)         all points of the clients of a round
    =====================  =================================================================

    State: `tff.learning.templates.LearningAlgorithmState`
    ``<global_model_weights=float32[k,...],distributor=<>,client_work=<>,aggregator=<>,
    finalizer=float32[k]>``. Metrics: ``<distributor=<>,client_work=<num_examples=float32>,
    aggregator=<>,finalizer=<>>``, where `num_examples` is the number of points of the round.

    Memory of a client and of the server: the centroids and one sum of their size.

    Args:
      num_clusters: k.
      data_shape: the shape of a point. The data of a client are a sequence of float32 points, not
        of batches of points.
      random_seed: two integers, which say where the centroids start: normal numbers, the same for
        all states that the process makes. The time of the call if None.
      distributor: how the centroids come to the clients; a broadcast if None.
      sum_aggregator: how ``<sums of points, numbers of points>`` are added up;
        `tff.aggregators.SumFactory()` if None.

    Returns:
      The process; its `get_model_weights` gives the centroids.

    Raises:
      ModelValueError: if a number or a seed is not of its range.
      TypeMismatchError: if an argument is not of its type.
      CompositionError: if the given parts do not fit together.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = tff.learning.algorithms.build_fed_kmeans(2, (1,), random_seed=(0, 0))
      >>> state = process.initialize()
      >>> state.global_model_weights.round(2).tolist()
      [[-1.7000000476837158], [-0.47999998927116394]]
      >>> clients = [np.float32([[-9.0], [-11.0]]), np.float32([[9.0]])]
      >>> output = process.next(state, [list(points) for points in clients])
      >>> output.state.global_model_weights.round(2).tolist()
      [[-7.230000019073486], [4.260000228881836]]
      >>> output.state.finalizer.tolist(), float(output.metrics["client_work"]["num_examples"])
      ([3.0, 2.0], 3.0)

    Source: Sculley (2010), "Web-Scale K-Means Clustering", Algorithm 1, with one step for all
    points of a round.

    Differs from the paper: centroids start at random places, not at points. From TFF: nothing here
    needs TensorFlow.
    """
    centroids_type = _centroids_type(num_clusters, data_shape)
    seed = _checked_seed(random_seed)
    if distributor is None:
        distributor = templates.build_broadcast_process(centroids_type)
    arguments.check_kind(
        distributor,
        templates.DistributionProcess,
        "distributor",
        _NAME,
        "make one with tff.learning.templates.build_broadcast_process, or leave it out.",
    )
    if sum_aggregator is None:
        sum_aggregator = aggregators.SumFactory()
    arguments.check_kind(
        sum_aggregator,
        aggregators.UnweightedAggregationFactory,
        "sum_aggregator",
        _NAME,
        "give one that sums, as tff.aggregators.SumFactory(), or leave it out.",
    )
    counts_type = TensorType(np.float32, [num_clusters])
    update_type = StructWithPythonType([centroids_type, counts_type], tuple)
    centroids = normal_draws.stateless_normal((num_clusters, *data_shape), seed)
    return composers.compose_as(
        "fed_kmeans",
        jax.portable_computation(lambda: centroids),
        distributor,
        _client_work(centroids_type),
        aggregators.as_weighted_aggregator(sum_aggregator).create(update_type, _NO_WEIGHT),
        _finalizer(centroids_type, counts_type, update_type),
    )


def _centroids_type(num_clusters: Any, data_shape: Any) -> TensorType:
    problems: list[str] = []
    if not _is_integer(num_clusters):
        problems.append(f"num_clusters: expected an integer, got {num_clusters!r:.80}")
    if not isinstance(data_shape, tuple) or not all(map(_is_integer, data_shape)):
        problems.append(f"data_shape: expected a tuple of integers, got {data_shape!r:.80}")
    if problems:
        raise errors.TypeMismatchError(
            f"`{_NAME}` cannot use these arguments.", problems=problems, fix=_EXAMPLE
        )
    if num_clusters < 1:
        problems.append(f"num_clusters: expected at least 1, got {num_clusters}")
    if any(size < 0 for size in data_shape):
        problems.append(f"data_shape: expected sizes, got {data_shape}")
    if problems:
        raise errors.ModelValueError(
            f"`{_NAME}` cannot make clusters of this form.", problems=problems, fix=_EXAMPLE
        )
    return TensorType(np.float32, [num_clusters, *data_shape])


def _checked_seed(random_seed: Any) -> tuple[int, int]:
    if random_seed is None:
        return time.time_ns() // 10_000, 0
    seeds = random_seed if isinstance(random_seed, (tuple, list)) else ()
    if len(seeds) != 2 or not all(map(_is_integer, seeds)):
        raise errors.ModelValueError(
            f"`{_NAME}` cannot use this `random_seed`.",
            problems=[f"random_seed: expected two integers, got {random_seed!r:.80}"],
            fix="write for example `random_seed=(42, 0)`.",
        )
    return int(seeds[0]), int(seeds[1])


def _sizes(tensor_type: TensorType) -> list[int]:
    return [size for size in tensor_type.shape or () if size is not None]


def _is_integer(candidate: Any) -> bool:
    return isinstance(candidate, (int, np.integer)) and not isinstance(candidate, bool)


def _client_work(centroids_type: TensorType) -> templates.ClientWorkProcess:
    data_type = SequenceType(TensorType(np.float32, _sizes(centroids_type)[1:]))
    assign_points = _assignment(centroids_type, data_type)

    def initialize() -> Any:
        return intrinsics.federated_value((), placements.SERVER)

    def work(state: Any, centroids: Any, client_data: Any) -> Any:
        assigned = intrinsics.federated_map(assign_points, (centroids, client_data))
        return process_templates.MeasuredProcessOutput(
            state, assigned.result, intrinsics.federated_sum(assigned.metrics)
        )

    initialize_fn = tracing.federated_computation(initialize)
    return templates.ClientWorkProcess(
        initialize_fn,
        tracing.federated_computation(
            work,
            initialize_fn.type_signature.result,
            FederatedType(centroids_type, placements.CLIENTS),
            FederatedType(data_type, placements.CLIENTS),
        ),
    )


def _assignment(centroids_type: TensorType, data_type: SequenceType) -> ConcreteComputation:
    """The work of one client: from centroids and points to what each centroid was given."""
    num_clusters, *data_shape = _sizes(centroids_type)
    axes = tuple(range(1, 1 + len(data_shape)))
    numbers = np.arange(num_clusters, dtype=np.int32)

    def start(centroids: Any) -> Any:
        xp = portable.namespace_of(centroids)
        return collections.OrderedDict(
            centroids=centroids,
            sums=xp.zeros_like(centroids),
            counts=xp.zeros([num_clusters], np.float32),
            num_examples=xp.zeros([], np.float32),
        )

    def assign(state: Any, point: Any) -> Any:
        xp = portable.namespace_of(state, point)
        distances = xp.square(state["centroids"] - point)
        distances = xp.sum(distances, axes) if axes else distances
        own = xp.asarray(numbers, np.int32)
        # A point that is not a number is given to the first: nothing is nearer to it.
        is_farther = distances > xp.min(distances)
        nearest = xp.min(xp.where(is_farther, xp.full([num_clusters], num_clusters, np.int32), own))
        is_nearest = own == nearest
        given = xp.reshape(is_nearest, [num_clusters] + [1] * len(data_shape))
        points = xp.zeros_like(state["sums"]) + point
        return collections.OrderedDict(
            centroids=state["centroids"],
            sums=state["sums"] + xp.where(given, points, xp.zeros_like(points)),
            counts=state["counts"] + xp.cast(is_nearest, np.float32),
            num_examples=state["num_examples"] + 1.0,
        )

    # Of JAX, so that the loop over the points is compiled; portable ones would run on numpy.
    start_fn = jax.computation(start, centroids_type)
    assign_fn = jax.computation(assign, start_fn.type_signature.result, data_type.element)

    def assign_points(centroids: Any, points: Any) -> Any:
        assigned = local_intrinsics.sequence_reduce(points, start_fn(centroids), assign_fn)
        return collections.OrderedDict(
            result=templates.ClientResult((assigned.sums, assigned.counts), ()),
            metrics=collections.OrderedDict(num_examples=assigned.num_examples),
        )

    return tracing.federated_computation(assign_points, centroids_type, data_type)


def _finalizer(
    centroids_type: TensorType, counts_type: TensorType, update_type: StructWithPythonType
) -> templates.FinalizerProcess:
    num_clusters, *data_shape = _sizes(centroids_type)
    column = [num_clusters] + [1] * len(data_shape)

    def first_counts() -> Any:
        return np.ones([num_clusters], np.float32)

    def move(centroids: Any, counts: Any, sums: Any, new_counts: Any) -> Any:
        xp = portable.namespace_of(centroids, counts, sums, new_counts)
        total = counts + new_counts
        # Where nothing was ever counted, 0 stands for 0 / 0.
        divisor = xp.where(total == 0, xp.ones_like(total), total)
        was_given = xp.cast(new_counts > 0, np.float32)
        old_scale = xp.reshape(xp.where(total == 0, xp.zeros_like(total), counts / divisor), column)
        new_scale = xp.reshape(
            xp.where(total == 0, xp.zeros_like(total), was_given / divisor), column
        )
        return old_scale * centroids + new_scale * sums, total

    counts_fn = jax.portable_computation(first_counts)
    move_fn = jax.portable_computation(
        move, centroids_type, counts_type, centroids_type, counts_type
    )

    def initialize() -> Any:
        return intrinsics.federated_eval(counts_fn, placements.SERVER)

    def finalize(counts: Any, centroids: Any, update: Any) -> Any:
        sums, new_counts = update
        moved = intrinsics.federated_map(move_fn, (centroids, counts, sums, new_counts))
        return process_templates.MeasuredProcessOutput(
            moved[1], moved[0], intrinsics.federated_value((), placements.SERVER)
        )

    initialize_fn = tracing.federated_computation(initialize)
    return templates.FinalizerProcess(
        initialize_fn,
        tracing.federated_computation(
            finalize,
            initialize_fn.type_signature.result,
            FederatedType(centroids_type, placements.SERVER),
            FederatedType(update_type, placements.SERVER),
        ),
    )
