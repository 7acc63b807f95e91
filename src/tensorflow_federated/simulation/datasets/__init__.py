"""Data sets that are split over clients."""

from __future__ import annotations

from tensorflow_federated.core import namespaces as _namespaces
from tensorflow_federated.simulation.datasets import digits, emnist, partition, plays, shakespeare
from tensorflow_federated.simulation.datasets.client_arrays import ClientArrays
from tensorflow_federated.simulation.datasets.client_batches import ClientBatches
from tensorflow_federated.simulation.datasets.client_data import ClientData
from tensorflow_federated.simulation.datasets.in_memory import TestClientData
from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing

__all__ = [
    "ClientArrays",
    "ClientBatches",
    "ClientData",
    "Preprocessing",
    "TestClientData",
    "digits",
    "emnist",
    "partition",
    "plays",
    "shakespeare",
]

__getattr__, __dir__ = _namespaces.module_functions("tff.simulation.datasets", __all__)
