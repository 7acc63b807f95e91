"""The training and the test split of a data set that TFF publishes, from its checked file."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

from tensorflow_federated.simulation.datasets import download, sql_client_data, sql_database


def load_splits(
    source: download.Source,
    sizes: Mapping[str, sql_database.SplitSize],
    splits: tuple[str, str],
    features: Mapping[str, sql_client_data.FeatureSpec],
    cache_dir: str | os.PathLike[str] | None = None,
) -> tuple[sql_client_data.SqlClientData, sql_client_data.SqlClientData]:
    """Opens two splits of a file, which is downloaded if it is nowhere.

    A file that was put there by hand has to have the two splits, of any size; one that is
    downloaded has to have all splits of `sizes`, and is given an index.

    Args:
      source: The file and where it comes from.
      sizes: What the published file holds.
      splits: The names of the training and of the test split.
      features: The features of an example, in the order in which users see them.
      cache_dir: A folder for the file; see `download.data_folders`.

    Returns:
      The training data and the test data.

    Raises:
      DatasetError: If a file that was found is damaged or is not this data set.
      DownloadError: If the file cannot be downloaded.
    """

    def check(path: pathlib.Path) -> None:
        database = sql_database.SqlDatabase(path)
        database.check_layout()
        database.check_splits(splits)

    def prepare(path: pathlib.Path) -> None:
        check(path)
        database = sql_database.SqlDatabase(path)
        database.check_integrity()
        if not database.has_index():
            database.add_index()

    def check_download(path: pathlib.Path) -> None:
        database = sql_database.SqlDatabase(path)
        database.check_layout()
        database.check_sizes(sizes)

    path = download.get_file(source, check, prepare, check_download, cache_dir)
    database = sql_database.SqlDatabase(path)
    train, test = (sql_client_data.SqlClientData(database, split, features) for split in splits)
    return train, test
