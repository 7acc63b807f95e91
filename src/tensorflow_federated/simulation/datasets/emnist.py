"""EMNIST: handwritten digits and letters, each client the hand of one writer."""

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
    file_name="emnist_all.sqlite",
    base_url="https://storage.googleapis.com/tff-datasets-public/",
    alternatives=(
        "tff.simulation.datasets.digits.load_data()",
        "tff.simulation.datasets.emnist.get_synthetic()",
    ),
)

_SIZES: Mapping[str, sql_database.SplitSize] = {
    "digits_only_train": sql_database.SplitSize(clients=3_383, examples=341_873),
    "digits_only_test": sql_database.SplitSize(clients=3_383, examples=40_832),
    "all_train": sql_database.SplitSize(clients=3_400, examples=671_585),
    "all_test": sql_database.SplitSize(clients=3_400, examples=77_483),
}

_FEATURES = collections.OrderedDict(
    label=sql_client_data.FeatureSpec(np.int32),
    pixels=sql_client_data.FeatureSpec(np.float32, (28, 28)),
)


def load_data(
    only_digits: bool = True, cache_dir: str | os.PathLike[str] | None = None
) -> tuple[sql_client_data.SqlClientData, sql_client_data.SqlClientData]:
    """Loads the federated EMNIST data set: the training and the test examples of each writer.

    An example is `OrderedDict(label=int32, pixels=float32[28,28])`. A pixel of 1.0 is background,
    one of 0.0 is ink. Labels are 0 to 9 for digits, 10 to 35 for capital and 36 to 61 for small
    letters.

    =============  =======  ========  ======
    `only_digits`  clients  training  test
    =============  =======  ========  ======
    True           3,383    341,873   40,832
    False          3,400    671,585   77,483
    =============  =======  ========  ======

    The file `emnist_all.sqlite` is looked for in `cache_dir`, in the folder that the environment
    variable `TFF_DATA_DIR` names, and in the user's cache folder (`~/.cache/tff-ng`); so is
    `emnist_all.sqlite.lzma`. If neither is there it is downloaded (about 170 MB; several GB when
    decompressed) into the first of these folders. What is downloaded has to have the counts of the
    table; a file that was put there by hand, of some of the writers say, is taken as it is if its
    tables and splits are those of this data set. A client's examples are read from the file when
    they are asked for; this may be done in many threads at once.

    Args:
      only_digits: Leave out the letters.
      cache_dir: A folder for the file.

    Returns:
      The training data and the test data, of the same clients, ids in sorted order.

    Raises:
      DatasetError: If a file that was found is damaged or is not this data set; a `ValueError`.
      DownloadError: If the file cannot be downloaded; an `OSError`. The message tells what to do
        without a network.

    Source: S. Caldas et al., "LEAF: A Benchmark for Federated Settings", 2018 (arXiv:1812.01097);
    G. Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017
    (arXiv:1702.05373). Differs from TFF: the file is checked, it gets its name only when it is
    whole, and it can be put there by hand.
    """
    return _load_data(_SOURCE, _SIZES, only_digits, cache_dir)


def _load_data(
    source: download.Source,
    sizes: Mapping[str, sql_database.SplitSize],
    only_digits: bool,
    cache_dir: str | os.PathLike[str] | None,
) -> tuple[sql_client_data.SqlClientData, sql_client_data.SqlClientData]:
    """Loads the data set from any source of this layout."""
    prefix = "digits_only" if only_digits else "all"
    splits = (f"{prefix}_train", f"{prefix}_test")
    return published_splits.load_splits(source, sizes, splits, _FEATURES, cache_dir)


def get_synthetic() -> in_memory.TestClientData:
    """Returns a tiny data set of the form of EMNIST, for tests: two clients, one example per digit.

    The examples, ten for each client and the same for both, are drawn glyphs: 1.0 is background,
    0.0 is ink.

    Returns:
      Client data of the clients `'synthetic1'` and `'synthetic2'`.

    Examples:
      >>> from tensorflow_federated.simulation import datasets
      >>> synthetic = datasets.emnist.get_synthetic()
      >>> synthetic.client_ids
      ['synthetic1', 'synthetic2']
      >>> synthetic.client_examples("synthetic1")["label"]
      array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=int32)

    Differs from TFF: the pictures are our own; labels, shapes, dtypes and client ids are TFF's.
    """
    examples = collections.OrderedDict(
        label=np.arange(10, dtype=np.int32),
        pixels=np.stack([_picture(glyph) for glyph in _GLYPHS]),
    )
    return in_memory.TestClientData({"synthetic1": examples, "synthetic2": examples})


# One row of each digit per line, from 0 to 9.
_GLYPH_ROWS = (
    " ###    #    ###   ###     #  #####   ##  #####  ###   ### ",
    "#   #  ##   #   # #   #   ##  #      #        # #   # #   #",
    "#   #   #       #     #  # #  ####  #        #  #   # #   #",
    "#   #   #      #    ##  #  #      # ####    #    ###   ####",
    "#   #   #     #       # #####     # #   #   #   #   #     #",
    "#   #   #    #    #   #    #  #   # #   #   #   #   #    # ",
    " ###   ###  #####  ###     #   ###   ###    #    ###   ##  ",
)
_GLYPHS = tuple(tuple(row[6 * digit : 6 * digit + 5] for row in _GLYPH_ROWS) for digit in range(10))


def _picture(glyph: tuple[str, ...]) -> np.ndarray:
    """Draws a glyph of 7x5 dots, three pixels a dot, in the middle of 28x28 pixels."""
    ink = (
        np.array([[dot == "#" for dot in row] for row in glyph]).repeat(3, axis=0).repeat(3, axis=1)
    )
    pixels = np.ones((28, 28), np.float32)
    top, left = ((28 - size) // 2 for size in ink.shape)
    pixels[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = 0.0
    return pixels
