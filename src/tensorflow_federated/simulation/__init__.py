"""Simulating a population of clients: their data, and which of them take part in a round."""

from __future__ import annotations

from tensorflow_federated.simulation import datasets as datasets
from tensorflow_federated.simulation.sampling import (
    build_uniform_sampling_fn as build_uniform_sampling_fn,
)
