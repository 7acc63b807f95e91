"""Shakespeare's plays, each client a speaking part."""

from __future__ import annotations

import collections
import os
from collections.abc import Mapping

import numpy as np

from tensorflow_federated.simulation.datasets import (
    download,
    in_memory,
    published_splits,
    sql_client_data,
    sql_database,
)

_SOURCE = download.Source(
    file_name="shakespeare.sqlite",
    base_url="https://storage.googleapis.com/tff-datasets-public/",
    alternatives=(
        "tff.simulation.datasets.plays.load_data()",
        "tff.simulation.datasets.shakespeare.get_synthetic()",
    ),
)

_SIZES: Mapping[str, sql_database.SplitSize] = {
    "train": sql_database.SplitSize(clients=715, examples=16_068),
    "test": sql_database.SplitSize(clients=715, examples=2_356),
}

_FEATURES = collections.OrderedDict(snippets=sql_client_data.FeatureSpec(np.bytes_))


def load_data(
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[sql_client_data.SqlClientData, sql_client_data.SqlClientData]:
    """Loads the federated Shakespeare data set: the training and the test examples of each part.

    An example is `OrderedDict(snippets=string)`, what one part says at a time. There are 715
    clients with 16,068 training and 2,356 test examples; each has at least one of both. The id of a
    client is the play and the part, as in `'THE_TRAGEDY_OF_KING_LEAR_KING'`.

    The file `shakespeare.sqlite` is looked for, downloaded and checked as that of
    `emnist.load_data` is: in `cache_dir`, in the folder that the environment variable
    `TFF_DATA_DIR` names, and in the user's cache folder; it may be put there by hand, also as
    `shakespeare.sqlite.lzma`. Without a network take `plays.load_data()`: six of the plays, in the
    same form, that come with the package.

    Args:
      cache_dir: A folder for the file.

    Returns:
      The training data and the test data, of the same clients, ids in sorted order.

    Raises:
      DatasetError: If a file that was found is damaged or is not this data set; a `ValueError`.
      DownloadError: If the file cannot be downloaded; an `OSError`. The message tells what to do
        without a network.

    Source: S. Caldas et al., "LEAF: A Benchmark for Federated Settings", 2018 (arXiv:1812.01097).
    Differs from TFF: the file is checked, it gets its name only when it is whole, and it can be put
    there by hand.
    """
    return _load_data(_SOURCE, _SIZES, cache_dir)


def _load_data(
    source: download.Source,
    sizes: Mapping[str, sql_database.SplitSize],
    cache_dir: str | os.PathLike[str] | None,
) -> tuple[sql_client_data.SqlClientData, sql_client_data.SqlClientData]:
    """Loads the data set from any source of this layout."""
    return published_splits.load_splits(source, sizes, ("train", "test"), _FEATURES, cache_dir)


def get_synthetic() -> in_memory.TestClientData:
    """Returns a tiny data set of the form of Shakespeare, for tests: three clients, 13 snippets.

    Returns:
      Client data of three parts, with 6, 6 and 1 examples.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> synthetic = datasets.shakespeare.get_synthetic()
      >>> synthetic.client_ids[0]
      'THE_TRAGEDY_OF_KING_LEAR_MACBETH'
      >>> synthetic.client_examples("THE_TRAGEDY_OF_KING_LEAR_MACBETH")["snippets"][:2]
      array([b'Hark!', b'When?'], dtype=object)
    """
    return in_memory.TestClientData(
        {
            client_id: collections.OrderedDict(snippets=list(snippets))
            for client_id, snippets in _SYNTHETIC.items()
        }
    )


# The parts and snippets of TFF's synthetic data, the words Shakespeare's.
_SYNTHETIC: Mapping[str, tuple[str, ...]] = {
    "THE_TRAGEDY_OF_KING_LEAR_MACBETH": (
        "Hark!",
        "When?",
        "My name's Macbeth.",
        "'Twas a rough fight.",
        "Came they not by you?",
        "No, nor more fearful.",
    ),
    "MUCH_ADO_ABOUT_NOTHING_EMILIA": (
        "Never.",
        "But now, my lord.",
        "How if fair and foolish?",
        "Is not this man jealous?",
        "Why, with my lord, madam.",
        "[Within.] I do beseech you",
    ),
    "THE_TAMING_OF_THE_SHREW_CUPID": ("Hail to thee, worthy Timon, and to all",),
}
