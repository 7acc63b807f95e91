"""Processes: computations that belong together and pass a state from call to call."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.templates.aggregation_process import AggregationProcess
from tensorflow_federated.templates.estimation_process import EstimationProcess
from tensorflow_federated.templates.iterative_process import IterativeProcess
from tensorflow_federated.templates.measured_process import (
    MeasuredProcess,
    MeasuredProcessOutput,
    chain_measured_processes,
    concatenate_measured_processes,
)

__all__ = [
    "AggregationProcess",
    "EstimationProcess",
    "IterativeProcess",
    "MeasuredProcess",
    "MeasuredProcessOutput",
    "chain_measured_processes",
    "concatenate_measured_processes",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.templates", __all__)
