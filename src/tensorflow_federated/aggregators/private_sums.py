"""One private sum in the federated language: records, their sum, and what is released of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.aggregators import factory, gaussian_noise, queries
from tensorflow_federated.core import intrinsics, local_intrinsics, placements, tracing
from tensorflow_federated.core.types import StructType, TensorType
from tensorflow_federated.jax import portable_computation

_KEY_TYPE = TensorType(np.int64, [2])


class Output(NamedTuple):
    """What one call gives, all at the server.

    Attributes:
      result: what is released.
      query_state: the next state of the query.
      records: the output of the aggregator of the records.
    """

    result: Any
    query_state: Any
    records: Any


class PrivateSum:
    """A query for values of one type, and the process that adds its records up.

    The noise comes from a random key that the server draws: the same seed and the same number of
    the call give the same noise, on every engine.

    Attributes:
      state_type: the type of the state of the query.
      records: the process that adds the records up.
    """

    def __init__(
        self,
        query: queries.PrivateSumQuery,
        value_type: TensorType | StructType,
        record_factory: factory.UnweightedAggregationFactory,
    ) -> None:
        """Traces what the query does.

        Args:
          query: the query.
          value_type: the type of one client's value.
          record_factory: adds the records up.
        """

        def initialize_fn() -> Any:
            if query.starts_with_key:
                start = portable_computation(query.initial_state, _KEY_TYPE)
                return intrinsics.federated_map(start, server_key())
            return intrinsics.federated_value(query.initial_state(None), placements.SERVER)

        self._initialize = tracing.federated_computation(initialize_fn)
        state: Any = self._initialize.type_signature.result
        self.state_type = state.member
        self._tell = portable_computation(query.sample_parameters, self.state_type)
        told_type = self._tell.type_signature.result
        self._preprocess = portable_computation(query.preprocess, told_type, value_type)
        record_type: Any = self._preprocess.type_signature.result
        self.records = record_factory.create(record_type)
        sum_type: Any = self.records.next.type_signature.result

        def noised(total: Any, state: Any, key: Any) -> Any:
            return query.noised_result(total, state, gaussian_noise.NoiseSource(key))

        def as_it_is(total: Any, state: Any) -> Any:
            no_noise: Any = None
            return query.noised_result(total, state, no_noise)

        release_types = [sum_type[1].member, self.state_type]
        self._draws_noise = query.draws_noise
        self._release = (
            portable_computation(noised, *release_types, _KEY_TYPE)
            if self._draws_noise
            else portable_computation(as_it_is, *release_types)
        )

    def initialize(self) -> Any:
        """The first state of the query, at the server."""
        return self._initialize()

    def next(self, query_state: Any, record_state: Any, value: Any) -> Output:
        """Releases the sum of the clients' values.

        Args:
          query_state: the state of the query, at the server.
          record_state: the state of the process that adds the records up.
          value: the values of the clients.

        Returns:
          What is released, and both next states.
        """
        told = intrinsics.federated_broadcast(intrinsics.federated_map(self._tell, query_state))
        record = intrinsics.federated_map(self._preprocess, (told, value))
        output: Any = self.records.next(record_state, record)
        key = [server_key()] if self._draws_noise else []
        released = intrinsics.federated_map(self._release, (output.result, query_state, *key))
        return Output(released[0], released[1], output)


def server_key() -> Any:
    """A random key at the server."""
    draw = tracing.federated_computation(local_intrinsics.server_random_key)
    return intrinsics.federated_eval(draw, placements.SERVER)
