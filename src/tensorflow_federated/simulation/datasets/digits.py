"""Handwritten digits that come with the package: 1,797 images of 8x8 pixels.

They are the test set of the UCI collection "Optical Recognition of Handwritten Digits" (E. Alpaydin
and C. Kaynak, 1998; CC BY 4.0, see `data/LICENSE.txt`): real, small, and there without a network.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import importlib.resources
import io

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import in_memory, partition

_FILE = "digits.npz"
_SHA256 = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"
# The images count, for each of 8x8 blocks, the inked pixels among 4x4.
_FULL_INK = 16


def load_data(
    num_clients: int = 30,
    alpha: float = 1.0,
    seed: int = 0,
    test_fraction: float = 0.2,
) -> tuple[in_memory.TestClientData, in_memory.TestClientData]:
    """Loads the digits, divided among clients that each write some digits more often than others.

    An example is `OrderedDict(label=int32, pixels=float32[8,8])`, pixels from 0.0, the background,
    to 1.0, full ink. (EMNIST has it the other way round: 1.0 is background, 0.0 ink.)

    The labels are divided by `partition.dirichlet_partition`. Then each client's examples are
    divided into a training and a test part. Every image is used exactly once, and every client has
    at least one image in both parts.

    Args:
      num_clients: Among how many clients, 1 to 898. With more clients each has fewer examples, and
        more rounds are needed.
      alpha: How alike the clients are: at 100 all have nearly the same mixture of digits, at 0.1
        most have few digits only.
      seed: The same seed gives the same division, on every machine.
      test_fraction: The part of each client's examples, between 0 and 1, that is held out; rounded,
        and at least one example.

    Returns:
      The training data and the test data, of the same client ids: `'client_00'`, `'client_01'`, ...

    Raises:
      DatasetError: If an argument is outside its range, or the file of the package is damaged.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> train, test = datasets.digits.load_data()
      >>> train.client_ids[:2], train.client_ids == test.client_ids
      (['client_00', 'client_01'], True)
      >>> train.client_examples("client_00")["pixels"].shape[1:]
      (8, 8)

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49. TFF has no such data set.
    """
    if not 0 < test_fraction < 1:
        raise errors.DatasetError(
            f"`test_fraction` must lie between 0 and 1, and is {test_fraction}.",
            fix="hold out 0.2, for example.",
        )
    images = load_images()
    parts = partition.dirichlet_partition(
        images["label"], num_clients, alpha, min_examples=2, seed=seed
    )
    width = len(str(num_clients - 1))
    train: dict[str, collections.OrderedDict[str, np.ndarray]] = {}
    test: dict[str, collections.OrderedDict[str, np.ndarray]] = {}
    for number, part in enumerate(parts):
        client_id = f"client_{number:0{width}}"
        held_out = min(max(round(len(part) * test_fraction), 1), len(part) - 1)
        test[client_id] = _select(images, part[:held_out])
        train[client_id] = _select(images, part[held_out:])
    return in_memory.TestClientData(train), in_memory.TestClientData(test)


def load_images() -> collections.OrderedDict[str, np.ndarray]:
    """Loads all digits, not divided among clients.

    Returns:
      `OrderedDict(label=int32[1797], pixels=float32[1797,8,8])`, pixels from 0.0 (background) to
      1.0 (ink). The arrays cannot be written to.

    Raises:
      DatasetError: If the file of the package is damaged.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> datasets.digits.load_images()["label"][:5]
      array([0, 1, 2, 3, 4], dtype=int32)
    """
    return collections.OrderedDict(_read_images())


@functools.cache
def _read_images() -> collections.OrderedDict[str, np.ndarray]:
    file = importlib.resources.files("tensorflow_federated.simulation.datasets") / "data" / _FILE
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise errors.DatasetError(
            f"The file `{_FILE}` of the package is damaged: its SHA-256 is not the expected one.",
            fix="install the package again.",
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        label = archive["labels"].astype(np.int32)
        pixels = (archive["images"] / np.float32(_FULL_INK)).astype(np.float32)
    for array in (label, pixels):
        array.flags.writeable = False
    return collections.OrderedDict(label=label, pixels=pixels)


def _select(
    images: collections.OrderedDict[str, np.ndarray], positions: np.ndarray
) -> collections.OrderedDict[str, np.ndarray]:
    return collections.OrderedDict((name, array[positions]) for name, array in images.items())
