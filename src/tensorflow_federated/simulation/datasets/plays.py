"""Six plays of Shakespeare that come with the package, each client a speaking part.

As You Like It, King Lear, Macbeth, Much Ado About Nothing, Othello and Twelfth Night, 0.7 MB of
text in the public domain (its source is told in `data/LICENSE.txt`): real, small, and there without
a network.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import importlib.resources
import json
import lzma

from tensorflow_federated.core import errors
from tensorflow_federated.simulation.datasets import in_memory

_FILE = "plays.json.xz"
_SHA256 = "f3e3559907be48b16c323023bc6c8a84e00b208a52270edd0b756f32ebd4817f"


def load_data(
    test_fraction: float = 0.2,
) -> tuple[in_memory.TestClientData, in_memory.TestClientData]:
    """Loads the plays: the earlier and the later speeches of each part.

    An example is `OrderedDict(snippets=string)`, one speech, its lines parted by line ends: the
    form of `shakespeare.load_data()`, so that what is written for one works with the other. The id
    of a client is the play and the part, as in `'THE_TRAGEDY_OF_KING_LEAR_FOOL'`. A part has 2 to
    274 speeches, in the order of the play; the last ones are held out, and every part has at least
    one for training and one for testing. All characters are ASCII.

    Args:
      test_fraction: The part of each client's speeches, between 0 and 1, that is held out; rounded,
        and at least one speech.

    Returns:
      The training data and the test data, of the same 150 clients, ids in sorted order.

    Raises:
      DatasetError: If `test_fraction` is outside its range, or the file of the package is damaged.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> train, test = datasets.plays.load_data()
      >>> len(train.client_ids), train.client_ids == test.client_ids
      (150, True)
      >>> witch = train.client_examples("MACBETH_FIRST_WITCH")
      >>> print(witch["snippets"][0].decode())
      When shall we three meet again?
      In thunder, lightning, or in rain?

    Source: W. Shakespeare, in the edition of "Open Shakespeare", Open Knowledge Foundation, 2008.
    TFF has no such data set: its Shakespeare, of all plays, has to be downloaded.
    """
    if not 0 < test_fraction < 1:
        raise errors.DatasetError(
            f"`test_fraction` must lie between 0 and 1, and is {test_fraction}.",
            fix="hold out 0.2, for example.",
        )
    train: dict[str, collections.OrderedDict[str, list[str]]] = {}
    test: dict[str, collections.OrderedDict[str, list[str]]] = {}
    for client_id, speeches in _read_plays().items():
        held_out = min(max(round(len(speeches) * test_fraction), 1), len(speeches) - 1)
        train[client_id] = collections.OrderedDict(snippets=speeches[:-held_out])
        test[client_id] = collections.OrderedDict(snippets=speeches[-held_out:])
    return in_memory.TestClientData(train), in_memory.TestClientData(test)


@functools.cache
def _read_plays() -> dict[str, list[str]]:
    file = importlib.resources.files("tensorflow_federated.simulation.datasets") / "data" / _FILE
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise errors.DatasetError(
            f"The file `{_FILE}` of the package is damaged: its SHA-256 is not the expected one.",
            fix="install the package again.",
        )
    return dict(sorted(json.loads(lzma.decompress(content)).items()))
