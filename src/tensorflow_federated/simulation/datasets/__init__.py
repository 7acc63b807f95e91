"""Data sets that are split over clients."""

from __future__ import annotations

from tensorflow_federated.simulation.datasets import digits as digits
from tensorflow_federated.simulation.datasets import emnist as emnist
from tensorflow_federated.simulation.datasets import partition as partition
from tensorflow_federated.simulation.datasets.client_data import ClientData as ClientData
from tensorflow_federated.simulation.datasets.in_memory import TestClientData as TestClientData
