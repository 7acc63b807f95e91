"""Client data whose preprocessing is a declaration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tensorflow_federated.core import errors
from tensorflow_federated.core.types import Type
from tensorflow_federated.simulation.datasets import (
    client_batches,
    client_data,
    columns,
    examples,
    row_numbers,
)
from tensorflow_federated.simulation.datasets.preprocessing import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf


class ColumnarClientData(client_data.ClientData):
    """The clients of other client data, with a `Preprocessing` of their examples."""

    def __init__(self, source: client_data.ClientData, preprocessing: Preprocessing) -> None:
        """See `ClientData.preprocess`."""
        self._source = source
        self._preprocessing = preprocessing
        self._examples_given = source.example_source()

    @functools.cached_property
    def _examples(self) -> columns.Source:
        """The examples after `map`, which is first called here."""
        preprocessing = self._preprocessing
        room = int(preprocessing.max_cached_bytes)
        return columns.prepared(self._examples_given, preprocessing.map, self.client_ids, room)

    @functools.cached_property
    def _element_type(self) -> Type:
        return client_batches.batch_type(self._examples.example_type, self._preprocessing)

    @property
    def client_ids(self) -> list[str]:
        return self._source.client_ids

    @errors.boundary
    def cohort(
        self, client_ids: Iterable[str], round_number: int | None = None
    ) -> list[client_batches.ClientBatches]:
        chosen = self.checked_cohort(client_ids, round_number)
        cohort = client_batches.Cohort(
            self._examples,
            self._preprocessing,
            self._element_type,
            row_numbers.draw(self._preprocessing, round_number),
        )
        return [client_batches.ClientBatches(cohort, client_id) for client_id in chosen]

    def client_examples(self, client_id: str) -> examples.Examples:
        if self._preprocessing.batch_size is not None:
            raise errors.DatasetError(
                "the examples of these clients are in batches, which are no array.",
                fix="ask the client data that was preprocessed, or leave `batch_size` out.",
            )
        return self._read(client_id)

    def has_examples(self, client_id: str) -> bool:
        self.check_client_id(client_id)
        count = self._examples.count(client_id)
        if count is None:
            count = self._examples.client(client_id).count
        return row_numbers.num_rows(self._preprocessing, count) > 0

    def example_source(self) -> columns.Source:
        others = [
            f"{name}: {value!r}"
            for name, value in vars(self._preprocessing).items()
            if name not in ("map", "max_cached_bytes") and value != getattr(Preprocessing, name)
        ]
        if others:
            raise errors.DatasetError(
                "these clients' examples have been preprocessed already.",
                problems=others,
                fix="declare all in one `Preprocessing`; one that has a `map` alone may come "
                "before another.",
            )
        return self._examples

    @property
    def element_type_structure(self) -> Any:
        tf = client_data.import_tensorflow("`element_type_structure`")
        return client_data.tensor_specs(tf, self._element_type)

    @errors.boundary
    def create_tf_dataset_for_client(self, client_id: str) -> tf.data.Dataset:
        client_data.import_tensorflow("`create_tf_dataset_for_client`")
        from tensorflow_federated.tensorflow import recorded_datasets

        return self._in_batches(recorded_datasets.of_client(self._read(client_id), client_id))

    @property
    def serializable_dataset_fn(self) -> Callable[[Any], tf.data.Dataset]:
        """A function from a client id to the client's dataset; it reads in this process."""
        is_repeatable = not self._preprocessing.shuffle or self._preprocessing.seed is not None
        rows_of = client_data.dataset_fn_of(self._read, self._examples, is_repeatable=is_repeatable)
        return lambda client_id: self._in_batches(rows_of(client_id))

    def _in_batches(self, rows: tf.data.Dataset) -> tf.data.Dataset:
        if self._preprocessing.batch_size is None:
            return rows
        return rows.batch(
            int(self._preprocessing.batch_size), drop_remainder=self._preprocessing.drop_remainder
        )

    def _read(self, client_id: str) -> examples.Examples:
        """All rows of a client, end to end."""
        [batches] = self.cohort([client_id])
        return columns.pack(batches.rows(), self._examples.form)
