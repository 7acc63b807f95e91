"""Processes that keep an estimate of something, and report it."""

from __future__ import annotations

from typing import Any

from tensorflow_federated.core import computations, tracing
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.templates import errors, iterative_process


class EstimationProcess(iterative_process.IterativeProcess):
    """An iterative process with a computation that reports an estimate from its state.

    Type: ``initialize: ( -> S)``, ``next: (<S,...> -> S)``, ``report: (S -> R)``.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> process = EstimationProcess(
      ...     tff.jax.computation(lambda: np.int32(0)),
      ...     tff.jax.computation(lambda total, x: total + x, np.int32, np.int32),
      ...     tff.jax.computation(lambda total: 2 * total, np.int32),
      ... )
      >>> int(process.report(process.next(process.initialize(), 5)))
      10
    """

    @core_errors.boundary
    def __init__(
        self,
        initialize_fn: computations.Computation,
        next_fn: computations.Computation,
        report_fn: computations.Computation,
        next_is_multi_arg: bool | None = None,
    ) -> None:
        """Builds a process of three computations.

        Args:
          initialize_fn: as for `IterativeProcess`.
          next_fn: as for `IterativeProcess`.
          report_fn: takes a state and gives the estimate.
          next_is_multi_arg: as for `IterativeProcess`.

        Raises:
          TemplateStateNotAssignableError: if `report_fn` does not take the state.
          TemplateError: where `IterativeProcess` raises one.
        """
        super().__init__(initialize_fn, next_fn, next_is_multi_arg)
        iterative_process.check_computation("report_fn", report_fn)
        taken = report_fn.type_signature.parameter
        if taken is None or not taken.is_assignable_from(self.state_type):
            raise errors.TemplateStateNotAssignableError(
                "`report_fn` must take the state of the process.",
                problems=[f"state: expected {self.state_type}, `report_fn` takes {taken}"],
                signature=report_fn.type_signature,
            )
        self._report_fn = report_fn

    @property
    def report(self) -> computations.Computation:
        """The computation that gives the estimate of a state."""
        return self._report_fn

    @core_errors.boundary
    def map(self, map_fn: computations.Computation) -> EstimationProcess:
        """Applies a computation to what the process reports.

        Args:
          map_fn: a computation of the estimate.

        Returns:
          A process with the same state, which reports the result of `map_fn`.

        Raises:
          TemplateNotComputationError: if `map_fn` is no computation.
          EstimateNotAssignableError: if it does not take the estimate.
        """
        iterative_process.check_computation("map_fn", map_fn)
        estimate, taken = self.report.type_signature.result, map_fn.type_signature.parameter
        if taken is None or not taken.is_assignable_from(estimate):
            raise errors.EstimateNotAssignableError(
                "`map_fn` must take what the process reports.",
                problems=[f"estimate: expected {estimate}, `map_fn` takes {taken}"],
                signature=map_fn.type_signature,
            )
        report_fn = self._report_fn

        def mapped_report(state: tracing.Value) -> Any:
            return map_fn(report_fn(state))

        return EstimationProcess(
            self.initialize,
            self.next,
            tracing.federated_computation(mapped_report, self.state_type),
        )
