"""Client data that is read from an SQLite file of TFF's layout, client by client."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import TensorType
from tensorflow_federated.simulation.datasets import (
    client_data,
    columns,
    example_proto,
    examples,
    sql_database,
)

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """What one feature of an example is, as users see it.

    Attributes:
      dtype: The NumPy dtype; `np.bytes_` for strings. Stored integers are int64 and stored floats
        float32.
      shape: The shape, all of it known.
    """

    dtype: type[np.generic]
    shape: tuple[int, ...] = ()


class SqlClientData(client_data.ArrayClientData):
    """One split of an SQLite file of serialized `tf.train.Example`s, parsed.

    A client's examples are read when they are asked for. An instance may be used by many threads at
    once, and may be pickled.
    """

    def __init__(
        self,
        database: sql_database.SqlDatabase,
        split: str,
        features: Mapping[str, FeatureSpec],
    ) -> None:
        """Opens a split.

        Args:
          database: The file.
          split: The name of the split.
          features: The features of an example, in the order in which users see them.

        Raises:
          DatasetError: If the file cannot be read, or has no client in this split.
        """
        self._database = database
        self._split = split
        self._features = collections.OrderedDict(features)
        self._client_ids = database.client_ids(split)
        if not self._client_ids:
            raise errors.DatasetError(
                f"`{database.path.name}` has no clients in the split `{split}`.",
                problems=[f"splits: {', '.join(database.split_sizes()) or 'none'}"],
                fix="ask for one of these splits.",
            )

    @property
    def client_ids(self) -> list[str]:
        return list(self._client_ids)

    def example_source(self) -> columns.Source:
        example = collections.OrderedDict(
            (name, TensorType(feature.dtype, feature.shape))
            for name, feature in self._features.items()
        )
        return columns.Files(example, self.client_examples)

    def client_examples(self, client_id: str) -> collections.OrderedDict[str, np.ndarray]:
        self.check_client_id(client_id)
        messages = self._database.serialized_examples(self._split, client_id)
        parsed = [example_proto.parse_example(message) for message in messages]
        return collections.OrderedDict(
            (name, self._column(name, feature, parsed)) for name, feature in self._features.items()
        )

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        return bool(self._database.serialized_examples(self._split, client_id, limit=1))

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        """A function from a client id to the client's dataset; it reads in this process."""
        return client_data.dataset_fn_of(
            self.client_examples, self.example_source(), is_repeatable=True
        )

    def _column(
        self, name: str, feature: FeatureSpec, parsed: list[dict[str, example_proto.Feature]]
    ) -> np.ndarray:
        """Returns one feature of all examples as an array."""
        is_text = feature.dtype is np.bytes_
        size = int(np.prod(feature.shape))
        column = np.empty((len(parsed), size), object if is_text else feature.dtype)
        stored = "float32" if np.issubdtype(feature.dtype, np.floating) else "int64"
        for row, example in zip(column, parsed, strict=True):
            values = example.get(name)
            found = None if values is None else str(getattr(values, "dtype", "bytes"))
            if values is None or found != ("bytes" if is_text else stored) or len(values) != size:
                text = "nothing" if values is None else f"{len(values)} values of type {found}"
                raise errors.DatasetError(
                    f"An example in `{self._database.path.name}` is not of the expected form.",
                    problems=[
                        f"feature `{name}`: expected {size} values for "
                        f"{_dtype_name(feature)}{list(feature.shape)}, got {text}"
                    ],
                    fix="remove the file and get it again.",
                )
            row[:] = values
        return examples.to_column(column.reshape(len(parsed), *feature.shape))


def _dtype_name(feature: FeatureSpec) -> str:
    return "string" if feature.dtype is np.bytes_ else np.dtype(feature.dtype).name
