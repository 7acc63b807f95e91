"""Samples of the clients' values, of bounded size, collected at the server."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorflow_federated.aggregators import factory, parameters
from tensorflow_federated.core import (
    errors,
    intrinsics,
    local_intrinsics,
    paths,
    placements,
    tracing,
)
from tensorflow_federated.core.types import FederatedType, StructType, TensorType, Type
from tensorflow_federated.templates import aggregation_process, measured_process

_FACTORY = "tff.aggregators.UnweightedReservoirSamplingFactory"
_FUNCTION = "tff.aggregators.federated_sample"


class UnweightedReservoirSamplingFactory(factory.UnweightedAggregationFactory):
    """Collects the values of a sample of clients.

    Type of `next`: ``(<unused_state=<>@SERVER,value={V}@CLIENTS> ->
    <state=<>@SERVER,result=samples@SERVER,measurements=M@SERVER>)``, where each tensor of `samples`
    is that of V with one more dimension in front, of unknown size.

    At most `sample_size` clients are drawn, each equally likely. Row i of every tensor is of the
    same client, and the rows are in the order of the clients. Which clients are drawn follows from
    the seed of the execution context.

    The state is empty. Measurements: for each tensor of V the number of clients, sampled or not,
    that have NaN or infinite numbers in it, int64. With the metadata the result is
    ``<random_seed=int64[2],random_values=int32[?],samples=samples>``: the number that each client
    of the sample drew, of which the largest stay; `random_seed` is not used and is -1.

    Memory at the server: the values of `sample_size` clients, twice.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = UnweightedReservoirSamplingFactory(2).create(tff.to_type(np.int32))
      >>> output = process.next(process.initialize(), [1, 2, 3, 4])
      >>> len(output.result)
      2

    Source: J. Vitter, "Random sampling with a reservoir" (ACM Transactions on Mathematical Software
    11, 1985).

    Differs from TFF: the sample follows from a seed, not from the clock.
    """

    @errors.boundary
    def __init__(self, sample_size: int, return_sampling_metadata: bool = False) -> None:
        """Chooses the size of the sample.

        Args:
          sample_size: the largest number of clients, at least 1.
          return_sampling_metadata: whether the result has the numbers that the clients drew.

        Raises:
          TypeMismatchError: if an argument is of another kind.
          AggregatorError: if `sample_size` is not positive.
        """
        self._sample_size = parameters.check_integer(sample_size, "sample_size", at_least=1)
        self._has_metadata = parameters.check_flag(
            return_sampling_metadata, "return_sampling_metadata"
        )

    @errors.boundary
    def create(self, value_type: Type) -> aggregation_process.AggregationProcess:
        """Makes the process for a type of value.

        Args:
          value_type: a tensor of known shape, or a structure of such tensors; of any dtype.

        Returns:
          The process.

        Raises:
          TypeMismatchError: if there is something else in the type.
          MissingExtraError: if TensorFlow is not installed.
        """
        sampler = Sampler(value_type, self._sample_size, _FACTORY)
        has_metadata = self._has_metadata

        def initialize_fn() -> tracing.Value:
            return intrinsics.federated_value((), placements.SERVER)

        def next_fn(unused_state: Any, value: Any) -> measured_process.MeasuredProcessOutput:
            reservoir = sampler.draw(value)
            return measured_process.MeasuredProcessOutput(
                unused_state,
                reservoir if has_metadata else reservoir["samples"],
                sampler.count_non_finite(value),
            )

        initialize = tracing.federated_computation(initialize_fn)
        return aggregation_process.AggregationProcess(
            initialize,
            tracing.federated_computation(
                next_fn,
                initialize.type_signature.result,
                FederatedType(value_type, placements.CLIENTS),
            ),
        )


@errors.boundary
def federated_sample(value: Any, max_num_samples: int = 100) -> tracing.Value:
    """Collects the values of a sample of clients.

    Type: ``({V}@CLIENTS -> samples@SERVER)``, where each tensor of `samples` is that of V with one
    more dimension in front, of unknown size.

    At most `max_num_samples` clients are drawn, each equally likely. Row i of every tensor is of
    the same client, and the rows are in the order of the clients. Which clients are drawn follows
    from the seed of the execution context.

    Args:
      value: a value at the clients: a tensor of known shape, or a structure of such tensors.
      max_num_samples: the largest number of clients.

    Returns:
      The sample, at the server.

    Raises:
      PlacementError: if the value is not at the clients.
      TypeMismatchError: if the value is not of tensors, or the number no integer.
      AggregatorError: if the number is below zero.
      MissingExtraError: if TensorFlow is not installed.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def sample(values):
      ...     return tff.aggregators.federated_sample(values, max_num_samples=10)
      >>> sample([3, 1, 2]).tolist()
      [3, 1, 2]

    Differs from TFF: the sample follows from a seed, and is in the order of the clients.
    """
    size = parameters.check_integer(max_num_samples, "max_num_samples", at_least=0)
    sampled = tracing.as_value(value, used=_FUNCTION)
    value_type: Any = sampled.type_signature
    if not isinstance(value_type, FederatedType) or value_type.placement is not placements.CLIENTS:
        raise errors.PlacementError(
            "`federated_sample` collects values of the clients.",
            problems=[f"value: expected a value at CLIENTS, got {value_type}"],
            fix="give a value at CLIENTS.",
        )
    reservoir: Any = Sampler(value_type.member, size, _FUNCTION).draw(sampled)
    return reservoir["samples"]


class Sampler:
    """Draws samples of the clients' values of one type.

    Attributes:
      reservoir_type: the type of a reservoir; see `tensorflow.reservoirs`.
      empty: the computation of the type ``( -> reservoir)`` that makes one without members.
      merge: the computation of the type ``(<reservoir,reservoir> -> reservoir)``.
    """

    def __init__(self, value_type: Type, size: int, user: str) -> None:
        """Builds the computations.

        Args:
          value_type: the type of one client's value: tensors of known shapes, or structures.
          size: how many clients there are in a sample at most.
          user: what draws samples, for messages.

        Raises:
          TypeMismatchError: if the type is another one.
          MissingExtraError: if TensorFlow is not installed.
        """
        _check_type(value_type, user)
        try:
            from tensorflow_federated.tensorflow import reservoirs
        except ModuleNotFoundError as error:
            raise errors.missing_extra("tensorflow", f"`{user}`") from error

        draw_number = reservoirs.build_draw(TensorType(np.int64, [2]))

        def numbered(value: Any) -> Any:
            return draw_number(local_intrinsics.random_key()), value

        self._numbered = tracing.federated_computation(numbered, value_type)
        number_type: Type = draw_number.type_signature.result
        self.reservoir_type = reservoirs.type_of(value_type)
        self.empty = reservoirs.build_empty(value_type)
        self.merge = reservoirs.build_merge(value_type, size)
        self._accumulate = reservoirs.build_accumulate(value_type, number_type, size)
        self._report = reservoirs.build_report(value_type)
        self._count_non_finite = reservoirs.build_count_non_finite(value_type)

    def draw(self, value: Any) -> Any:
        """The reservoir, at the server, of a value at the clients."""
        return intrinsics.federated_aggregate(
            intrinsics.federated_map(self._numbered, value),
            self.empty(),
            self._accumulate,
            self.merge,
            self._report,
        )

    def count_non_finite(self, value: Any) -> Any:
        """How many clients have NaN or infinite numbers in each tensor: int64 at the server."""
        return intrinsics.federated_sum(intrinsics.federated_map(self._count_non_finite, value))


def _check_type(value_type: Any, user: str) -> None:
    problems: list[str] = []

    def check(each: Any, path: str) -> None:
        if isinstance(each, StructType):
            if each.python_container is None:
                problems.append(f"{path}: expected a structure in a container, got {each}")
            for index, (name, element) in enumerate(each.items()):
                check(element, paths.to_element(path, name, index))
        elif not isinstance(each, TensorType) or each.shape is None or None in each.shape:
            problems.append(f"{path}: expected a tensor of known shape, got {each}")

    check(value_type, "value_type")
    if problems:
        raise errors.TypeMismatchError(
            f"`{user}` cannot collect values of this type.",
            problems=problems,
            fix="give tensors whose shapes do not depend on the data, in lists, tuples or ordered "
            "dicts of Python.",
        )
