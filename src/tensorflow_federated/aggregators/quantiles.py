"""An estimate of a quantile of numbers at the clients, with or without noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.aggregators import factory, parameters, private_sums, queries, sums
from tensorflow_federated.core import errors, intrinsics, placements, tracing
from tensorflow_federated.core.types import FederatedType, TensorType
from tensorflow_federated.jax import portable_computation
from tensorflow_federated.templates import estimation_process

_NUMBER = TensorType(np.float32)


class PrivateQuantileEstimationProcess(estimation_process.EstimationProcess):
    """Follows a quantile of one number per client, from round to round.

    Type: ``initialize: ( -> S@SERVER)``, ``next: (<S@SERVER,{float32}@CLIENTS> -> S@SERVER)``,
    ``report: (S@SERVER -> float32@SERVER)``. In each call every client tells whether its number is
    at most the estimate, and nothing else. A number that is not finite counts as above it.

    State: ``<<current_estimate,target_quantile,learning_rate,below_estimate_state>,A>``, that of
    the query, and that of the aggregator of the records. The privacy is that of the query: see
    `tff.aggregators.queries`.

    Source: G. Andrew et al., "Differentially private learning with adaptive clipping" (NeurIPS
    2021, arXiv:1905.03871).

    Examples:
      >>> process = PrivateQuantileEstimationProcess.no_noise(
      ...     initial_estimate=1.0, target_quantile=0.5, learning_rate=1.0
      ... )
      >>> state = process.next(process.initialize(), [1.0, 5.0, 9.0])
      >>> round(float(process.report(state)), 4)
      1.1814

    Differs from TFF: the query is one of `tff.aggregators.queries`. A round without clients leaves
    an estimate without noise as it is, where it became ``nan`` for ever.
    """

    @classmethod
    @errors.boundary
    def no_noise(
        cls,
        initial_estimate: float,
        target_quantile: float,
        learning_rate: float,
        multiplier: float = 1.0,
        increment: float = 0.0,
        secure_estimation: bool = False,
    ) -> estimation_process.EstimationProcess:
        """Estimates ``multiplier * C + increment``, C a quantile, without noise and so not private.

        Args:
          initial_estimate: the first C, above zero.
          target_quantile: the fraction of numbers that should be at most C.
          learning_rate: C changes by a factor of ``exp(learning_rate)`` at most.
          multiplier: what C is multiplied with, above zero.
          increment: what is added, at least zero.
          secure_estimation: whether the records are added up by a secure sum.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if a number is no float.
          AggregatorError: if a number is out of range.

        Examples:
          >>> process = PrivateQuantileEstimationProcess.no_noise(1.0, 0.5, 1.0, multiplier=2.0)
          >>> float(process.report(process.initialize()))
          2.0
        """
        # A secure sum uses quantized sums, and these need not know of quantiles.
        from tensorflow_federated.aggregators import secure_sums

        parameters.check_positive(initial_estimate, "initial_estimate")
        parameters.check_probability(target_quantile, "target_quantile")
        parameters.check_positive(learning_rate, "learning_rate")
        parameters.check_positive(multiplier, "multiplier")
        parameters.check_non_negative(increment, "increment")
        process = cls(
            queries.NoPrivacyQuantileEstimatorQuery(
                initial_estimate, target_quantile, learning_rate, geometric_update=True
            ),
            # The records are -0.5 or 0.5, and 1.0 to count the clients.
            secure_sums.SecureSumFactory(1.0) if secure_estimation else sums.SumFactory(),
        )
        if multiplier == 1.0 and increment == 0.0:
            return process
        return process.map(_affine(multiplier, increment))

    @errors.boundary
    def __init__(
        self,
        quantile_estimator_query: queries.QuantileEstimatorQuery,
        record_aggregation_factory: factory.UnweightedAggregationFactory | None = None,
    ) -> None:
        """Builds the process.

        Args:
          quantile_estimator_query: moves the estimate, and adds the noise.
          record_aggregation_factory: adds the records up; `SumFactory()` by default.

        Raises:
          TypeMismatchError: if an argument is of another kind.
        """
        if not isinstance(quantile_estimator_query, queries.QuantileEstimatorQuery):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise errors.TypeMismatchError(
                "`quantile_estimator_query` must be an estimator of quantiles.",
                problems=[
                    "quantile_estimator_query: got "
                    f"{errors.describe_object(quantile_estimator_query)}"
                ],
                fix="take `tff.aggregators.queries.QuantileEstimatorQuery`.",
            )
        records = (
            sums.SumFactory()
            if record_aggregation_factory is None
            else factory.check_unweighted(record_aggregation_factory, "record_aggregation_factory")
        )
        query = private_sums.PrivateSum(quantile_estimator_query, _NUMBER, records)

        def initialize_fn() -> tracing.Value:
            return intrinsics.federated_zip((query.initialize(), query.records.initialize()))

        def next_fn(state: tracing.Value, value: tracing.Value) -> tracing.Value:
            output = query.next(state[0], state[1], value)
            return intrinsics.federated_zip((output.query_state, output.records.state))

        def report_fn(state: tracing.Value) -> tracing.Value:
            return state[0]["current_estimate"]

        initialize = tracing.federated_computation(initialize_fn)
        state_type = initialize.type_signature.result
        super().__init__(
            initialize,
            tracing.federated_computation(
                next_fn, state_type, FederatedType(_NUMBER, placements.CLIENTS)
            ),
            tracing.federated_computation(report_fn, state_type),
        )


def _affine(multiplier: float, increment: float) -> Any:
    def transformed(value: Any) -> Any:
        return value * float(multiplier) + float(increment)

    transform = portable_computation(transformed, _NUMBER)

    def map_fn(value: tracing.Value) -> tracing.Value:
        return intrinsics.federated_map(transform, value)

    return tracing.federated_computation(
        map_fn,
        FederatedType(_NUMBER, placements.SERVER),
    )
