"""Processes: computations that belong together and pass a state from call to call."""

from tensorflow_federated.templates.aggregation_process import (
    AggregationProcess as AggregationProcess,
)
from tensorflow_federated.templates.estimation_process import EstimationProcess as EstimationProcess
from tensorflow_federated.templates.iterative_process import IterativeProcess as IterativeProcess
from tensorflow_federated.templates.measured_process import MeasuredProcess as MeasuredProcess
from tensorflow_federated.templates.measured_process import (
    MeasuredProcessOutput as MeasuredProcessOutput,
)
from tensorflow_federated.templates.measured_process import (
    chain_measured_processes as chain_measured_processes,
)
from tensorflow_federated.templates.measured_process import (
    concatenate_measured_processes as concatenate_measured_processes,
)
